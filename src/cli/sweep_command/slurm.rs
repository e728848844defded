//! `--engine slurm`: one array of tasks, each a shard of the sweep, from a folder that all nodes share.
//!
//! Slurm schedules; this file writes a script, submits it, waits, submits again what did not come back,
//! and leaves the rest to the ledgers: a task that is killed has kept its runs, and the one that takes its
//! place goes on. Killed itself, it finds the array that still runs by the folder's `slurm.job`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use super::super::interrupt::Interrupt;
use super::super::{Exit, fail, output_files, refuse, tell};
use super::SweepArguments;
use crate::experiment::sweep::estimate::estimate;
use crate::experiment::sweep::ledger;
use crate::experiment::sweep::missing_runs::missing;
use crate::experiment::sweep::{Manifest, Shard, SweepBase, SweepQuestion};
use crate::report::format::count;
use crate::scenario::read_ordinary_text;

/// What a task should last, in seconds: long against starting it, short against losing it.
const TASK_S: f64 = 600.0;

/// Most tasks: Slurm's MaxArraySize is 1001 unless a site changes it.
const TASKS_MAX: u64 = 1_000;

/// Submissions in a row that bring nothing new before the sweep gives up.
const IN_VAIN_MAX: u32 = 2;

/// The time between two looks at the folder.
const PAUSE: Duration = Duration::from_secs(1);

/// How often an interruption is asked for between two looks.
const LOOKS: u32 = 20;

/// Name of the file with the numbers of the array and of its shards.
const JOB: &str = "slurm.job";

/// Name of the file of the batch script.
const SCRIPT: &str = "slurm.sh";

/// The sweep that Slurm is to run.
pub struct Asked<'a> {
    /// Command line of the sweep.
    pub arguments: &'a SweepArguments,
    /// The sweep.
    pub question: &'a SweepQuestion,
    /// Scenario of the sweep, read once.
    pub base: &'a SweepBase,
    /// Manifest of the sweep's runs.
    pub manifest: &'a Manifest,
    /// Folder of the sweep.
    pub dir: &'a Path,
}

/// An array of tasks that was submitted to Slurm.
struct Job {
    id: String,
    shards: u64,
}

/// Has Slurm play the missing runs; `None`: the sweep is whole.
pub fn run(asked: &Asked<'_>, interrupt: &Interrupt) -> Result<Option<Exit>, Exit> {
    let mut job = running(asked.dir)?;
    let shards = match &job {
        Some(job) => job.shards,
        None => asked.shards()?,
    };
    let mut in_vain = 0;
    loop {
        let before = asked.missing(shards)?;
        if before.runs == 0 {
            // An array that still runs has nothing left to do.
            if let Some(job) = &job {
                let _ = slurm("scancel", &[&job.id]);
            }
            let _ = fs::remove_file(asked.dir.join(JOB));
            return Ok(None);
        }
        let current = match job.take() {
            Some(job) => job,
            None => asked.submit(shards, &before.shards)?,
        };
        asked.tell(&format!(
            "Slurm job {}: {} runs to do in {} tasks",
            current.id,
            count(before.runs),
            count(before.shards.len() as u64)
        ));
        while is_queued(&current.id)? {
            if interrupt.has_come() {
                let _ = slurm("scancel", &[&current.id]);
                tell(&format!(
                    "interrupted: Slurm job {} was cancelled; what it did is kept in {}, and the same command \
                     goes on from there",
                    current.id,
                    asked.dir.display()
                ));
                return Ok(Some(Exit::Interrupted));
            }
            // In short pieces: an interruption is heard soon.
            for _ in 0..LOOKS {
                if interrupt.has_come() {
                    break;
                }
                sleep(PAUSE / LOOKS);
            }
        }
        let after = asked.missing(shards)?;
        in_vain = if after.runs < before.runs {
            0
        } else {
            in_vain + 1
        };
        if after.runs > 0 {
            if in_vain == IN_VAIN_MAX {
                return Err(fail(&format!(
                    "Slurm job {} and the one before ended without a new result, {} runs are missing: see \
                     {}/slurm-{}_*.log",
                    current.id,
                    count(after.runs),
                    asked.dir.display(),
                    current.id
                )));
            }
            asked.tell(&format!(
                "{} runs did not come back and are submitted again",
                count(after.runs)
            ));
        }
    }
}

/// Runs that are not done, and the shards that they belong to.
struct Missing {
    runs: u64,
    shards: BTreeSet<u64>,
}

impl Asked<'_> {
    fn tell(&self, text: &str) {
        if !self.arguments.quiet {
            tell(text);
        }
    }

    /// The number of shards: as asked, or so that each lasts about [`TASK_S`].
    fn shards(&self) -> Result<u64, Exit> {
        if let Some(shards) = self.arguments.shards {
            return Ok(shards);
        }
        let done = ledger::read(self.dir).map_err(|why| refuse(&why))?;
        let runs = missing(self.manifest, Shard::WHOLE, &done);
        let threads = self.threads();
        let seconds = estimate(self.base, self.manifest, &runs, threads);
        let seconds = seconds.map_or(0.0, |found| found.seconds);
        let most = TASKS_MAX.min(runs.len().max(1) as u64);
        Ok((libm::ceil(seconds / TASK_S) as u64).clamp(1, most))
    }

    fn threads(&self) -> usize {
        usize::from(self.arguments.threads.unwrap_or(1))
    }

    fn missing(&self, shards: u64) -> Result<Missing, Exit> {
        let done = ledger::read(self.dir).map_err(|why| refuse(&why))?;
        let runs = missing(self.manifest, Shard::WHOLE, &done);
        Ok(Missing {
            runs: runs.len() as u64,
            shards: runs.iter().map(|run| (run.run - 1) % shards + 1).collect(),
        })
    }

    fn submit(&self, shards: u64, which: &BTreeSet<u64>) -> Result<Job, Exit> {
        let script = self.script(shards)?;
        let write =
            |name, text| output_files::replace(self.dir, &[(name, text)]).map_err(|why| fail(&why));
        write(SCRIPT, script)?;
        let which: Vec<String> = which.iter().map(u64::to_string).collect();
        let array = format!("--array={}", which.join(","));
        let cpus = format!("--cpus-per-task={}", self.threads());
        let log = format!("--output={}/slurm-%A_%a.log", self.dir.display());
        let script = self.dir.join(SCRIPT);
        let script = script.display().to_string();
        let mut options = vec![
            "--parsable",
            "--job-name=tokentide",
            array.as_str(),
            cpus.as_str(),
            log.as_str(),
        ];
        options.extend(self.arguments.sbatch.iter().map(String::as_str));
        options.push(script.as_str());
        let said = slurm("sbatch", &options).map_err(|why| refuse(&why))?;
        // `id` or `id;cluster`
        let id = said.trim().split(';').next().unwrap_or("").to_string();
        write(JOB, format!("{id} {shards}\n"))?;
        Ok(Job { id, shards })
    }

    /// A shell script that runs the shard of its task, with the question as it was asked.
    fn script(&self, shards: u64) -> Result<String, Exit> {
        let program = std::env::current_exe()
            .map_err(|error| fail(&format!("cannot tell where this program is: {error}")))?;
        let question = self.question;
        let mut words = vec![
            program.display().to_string(),
            "sweep".to_string(),
            question.scenario.clone(),
            "--quiet".to_string(),
            format!("--threads={}", self.threads()),
            format!("--out={}", self.dir.display()),
        ];
        words.extend(question.set.iter().map(|text| format!("--set={text}")));
        words.extend(question.vary.iter().map(|text| format!("--vary={text}")));
        words.extend(question.sample.map(|n| format!("--sample={n}")));
        words.extend(question.replications.map(|n| format!("--replications={n}")));
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        Ok(format!(
            "#!/bin/sh\n# A task of a sweep; --array says which.\nexec {} \\\n  --shard \"$SLURM_ARRAY_TASK_ID/{shards}\"\n",
            words.join(" \\\n  ")
        ))
    }
}

/// A word as a shell reads it back.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The array that an earlier process submitted; `None`: Slurm has it no more.
fn running(dir: &Path) -> Result<Option<Job>, Exit> {
    let text = read_ordinary_text(&dir.join(JOB), 4_096).unwrap_or_default();
    let mut words = text.split_whitespace();
    let (Some(id), Some(Ok(shards))) = (words.next(), words.next().map(str::parse)) else {
        return Ok(None);
    };
    let is_number = id.bytes().all(|b| b.is_ascii_digit());
    if shards == 0 || !is_number || !is_queued(id)? {
        return Ok(None);
    }
    Ok(Some(Job {
        id: id.to_string(),
        shards,
    }))
}

/// Whether some task of an array waits or runs. Slurm forgets a job some minutes after its end, and then
/// says that its number is invalid.
fn is_queued(id: &str) -> Result<bool, Exit> {
    match slurm(
        "squeue",
        &["--noheader", "--format=%i", &format!("--jobs={id}")],
    ) {
        Ok(said) => Ok(!said.trim().is_empty()),
        Err(why) if why.contains("Invalid job id") => Ok(false),
        // A controller that is away for a moment does not end the sweep.
        Err(why) if why.contains("Unable to contact") || why.contains("timed out") => Ok(true),
        Err(why) => Err(fail(&why)),
    }
}

/// Runs a command of Slurm and returns its output.
fn slurm(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| {
        format!(
            "cannot run {program}: {error}; --engine slurm needs a machine that submits Slurm jobs"
        )
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} failed: {}", said.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_a_shell() {
        for word in ["plain", "a b", "it's", "$HOME `ls` \\ \"x\""] {
            let said = Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(word))])
                .output();
            let said = said.map(|said| said.stdout).unwrap_or_default();
            assert_eq!(String::from_utf8_lossy(&said), word);
        }
    }
}
