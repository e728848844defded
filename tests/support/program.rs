//! The program run as scripts run it, and a directory of a test's own.

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;

/// A directory of a test's own, removed when the test is over, however it ends.
pub struct Scratch(PathBuf);

impl Scratch {
    /// `test` must be unlike that of every other test of the package.
    pub fn new(test: &str) -> Self {
        let name = format!("tokentide-test-{}-{test}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        fs::create_dir(&dir).expect("a new directory in the temporary one");
        Self(dir)
    }

    /// The path of something in it.
    pub fn path(&self, name: &str) -> String {
        let path = self.0.join(name);
        path.to_str().expect("a path in UTF-8").to_owned()
    }

    /// Writes a file in it; its path.
    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        let folder = PathBuf::from(&path);
        let folder = folder.parent().expect("the scratch directory");
        fs::create_dir_all(folder).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Names of what a directory in it holds, in order; nothing if it is not there.
    pub fn files(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).into_iter().flatten();
        let names = entries.map(|e| e.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|n| n.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // a failed removal must not hide why a test failed
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What the program said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// Its exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Its result.
    pub out: Vec<u8>,
    /// Its messages.
    pub err: String,
}

impl From<std::process::Output> for Said {
    fn from(output: std::process::Output) -> Self {
        Self {
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8(output.stderr).expect("messages in UTF-8"),
        }
    }
}

/// Runs the program.
pub fn tokentide(arguments: &[&str]) -> Said {
    let mut command: Command = assert_cmd::cargo::cargo_bin_cmd!("tokentide");
    let output = command.args(arguments).output();
    output.expect("the program starts").into()
}

/// The program with arguments, for tests that do more with it than wait.
pub fn start(arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tokentide"));
    command.args(arguments);
    command
}

/// Runs the program; also the most memory that it held, in bytes.
#[cfg(target_os = "linux")]
pub fn peak_memory(arguments: &[&str]) -> (Said, u64) {
    use std::process::Stdio;
    let mut command = start(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("a child").is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kilobytes = line.and_then(|l| l.split_whitespace().next()?.parse::<u64>().ok());
        peak = kilobytes.map_or(peak, |kb| 1024 * kb);
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("its output");
    (output.into(), peak)
}
