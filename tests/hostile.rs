//! Scenario files from strangers: what they name stays in the folder of the file that was named to run,
//! and nothing in them fills the memory.

mod support;

use support::program::{Scratch, tokentide};
use tokentide::internals::scenario::load;

const REST: &str = include_str!("limits/one-server.toml");

/// The messages about a scenario that must be refused.
fn refused(path: &str) -> String {
    match load(path, &[]) {
        Ok(_) => panic!("{path} was accepted"),
        Err(mistakes) => mistakes.to_string(),
    }
}

fn extending(base: &str) -> String {
    format!("extends = {base:?}\nname = \"from a stranger\"\n")
}

fn with_csv(path: &str) -> String {
    let arrivals = format!("arrivals = {{ kind = \"poisson\", csv = {path:?} }}");
    REST.replace(
        "arrivals = { kind = \"poisson\", requests_per_s = 0.5 }",
        &arrivals,
    )
}

#[test]
fn paths_inside_the_folder_are_followed_from_file_to_file() {
    let scratch = Scratch::new("inside");
    scratch.write("home/data/day.csv", "time,requests\n00:00,1000\n");
    scratch.write("home/bases/base.toml", &with_csv("../data/day.csv"));
    let main = scratch.write("home/main.toml", &extending("bases/../bases/base.toml"));
    let scenario = load(&main, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert_eq!(scenario.name, "from a stranger");
}

#[test]
fn paths_out_of_the_folder_are_refused_without_a_look() {
    let scratch = Scratch::new("outside");
    let secret = scratch.write("secret.toml", REST);
    scratch.write("secret.csv", "time,requests\n00:00,1000\n");
    scratch.write("home/inner/base.toml", &extending("../../secret.toml"));
    for (text, why) in [
        (extending("../secret.toml"), "`..` leads out of it"),
        (extending("inner/../../secret.toml"), "`..` leads out of it"),
        (extending("inner/base.toml"), "`..` leads out of it"),
        (extending("../home/../secret.toml"), "`..` leads out of it"),
        (extending("../nothing-there.toml"), "`..` leads out of it"),
        (extending(&secret), "an absolute path"),
        (extending("/dev/stdin"), "an absolute path"),
        (with_csv("../secret.csv"), "`..` leads out of it"),
        (with_csv("/etc/passwd"), "an absolute path"),
    ] {
        let main = scratch.write("home/main.toml", &text);
        let shown = refused(&main);
        assert!(shown.contains("is not in the scenario's folder"), "{shown}");
        assert!(shown.contains(why), "{shown}");
    }
    // what the user types may lie anywhere
    let main = scratch.write("home/main.toml", REST);
    let csv = scratch.path("secret.csv");
    let set = format!("class.all.arrivals={{kind=\"poisson\",csv={csv:?}}}");
    load(&main, &[set]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
}

#[cfg(unix)]
#[test]
fn links_out_of_the_folder_are_refused_and_links_inside_are_not() {
    use std::os::unix::fs::symlink;
    let scratch = Scratch::new("links");
    let secret = scratch.write("away/secret.toml", REST);
    scratch.write("home/real/base.toml", REST);
    symlink(&secret, scratch.path("home/link.toml")).expect("a link");
    symlink(scratch.path("away"), scratch.path("home/away")).expect("a link");
    symlink("real/base.toml", scratch.path("home/inside.toml")).expect("a link");
    for base in ["link.toml", "away/secret.toml"] {
        let main = scratch.write("home/main.toml", &extending(base));
        let shown = refused(&main);
        assert!(shown.contains("a link leads out of it"), "{shown}");
    }
    let main = scratch.write("home/main.toml", &extending("inside.toml"));
    load(&main, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    // a link that the user names is the user's business
    load(&scratch.path("home/link.toml"), &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
}

#[cfg(unix)]
#[test]
fn only_ordinary_files_are_read() {
    let scratch = Scratch::new("special");
    let made = std::process::Command::new("mkfifo")
        .arg(scratch.path("pipe.toml"))
        .arg(scratch.path("pipe.csv"))
        .status();
    if !made.is_ok_and(|status| status.success()) {
        support::skipped("there is no mkfifo");
        return;
    }
    for text in [
        extending("pipe.toml"),
        with_csv("pipe.csv"),
        extending("./"),
    ] {
        let main = scratch.write("main.toml", &text);
        let shown = refused(&main);
        let known = ["not an ordinary file", "is a directory"];
        assert!(known.iter().any(|why| shown.contains(why)), "{shown}");
    }
    // files that claim to be empty and never end
    assert!(refused("/dev/zero").contains("not an ordinary file"));
}

#[test]
fn sizes_are_capped_one_by_one_and_together() {
    let scratch = Scratch::new("sizes");
    let large = "# comment\n".repeat(1_700_000);
    scratch.write("large.toml", &format!("{large}{REST}"));
    let main = scratch.write("main.toml", &extending("large.toml"));
    assert!(refused(&main).contains("17 MiB; at most 16 MiB are read"));
    let half = "# comment\n".repeat(1_500_000);
    for i in 0..3 {
        let base = if i == 0 {
            REST.to_owned()
        } else {
            extending(&format!("b{}.toml", i - 1))
        };
        scratch.write(&format!("b{i}.toml"), &format!("{half}{base}"));
    }
    let main = scratch.write("main.toml", &extending("b2.toml"));
    assert!(refused(&main).contains("more than 32 MiB"));
    let main = scratch.write("main.toml", &format!("name = [{}]", "[],".repeat(800_000)));
    assert!(refused(&main).contains("too many keys and values"));
}

#[test]
fn a_chain_of_bases_ends() {
    let scratch = Scratch::new("chain");
    scratch.write("b0.toml", REST);
    for i in 1..20 {
        scratch.write(
            &format!("b{i}.toml"),
            &extending(&format!("b{}.toml", i - 1)),
        );
    }
    load(&scratch.path("b15.toml"), &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    assert!(refused(&scratch.path("b16.toml")).contains("one base too many"));
}

/// Texts made to fill the memory, each refused within what a gigabyte holds.
#[cfg(target_os = "linux")]
#[test]
fn junk_does_not_fill_the_memory() {
    use support::program::peak_memory;
    let scratch = Scratch::new("junk");
    let long = if support::slow("junk of the largest size") {
        16
    } else {
        2
    };
    let size = (long << 20) - 64;
    let fill = |one: &str| one.repeat(size / one.len());
    let rows = fill("0,5,x\n");
    for (name, text) in [
        ("lists", format!("a=[{}]", fill("[],"))),
        ("nested", format!("a={}", fill("["))),
        ("dotted", format!("a{}=1", fill(".a"))),
        ("errors", fill("=\n")),
        ("twice", fill("a=1\n")),
        ("classes", fill("[[class]]\n")),
        ("open", format!("a=\"\"\"{}", fill("\\u"))),
        ("bad-rows", with_csv("junk.csv")),
    ] {
        scratch.write("junk.csv", &format!("time,requests,hit_rate\n{rows}"));
        let file = scratch.write("junk.toml", &text);
        let (said, peak) = peak_memory(&["check", &file]);
        eprintln!("{name}: {} MB", peak >> 20);
        assert_eq!(
            said.code,
            Some(2),
            "{name}: {}",
            said.err.get(..500).unwrap_or(&said.err)
        );
        assert!(peak < 1 << 30, "{name}: {peak} B");
        assert!(
            said.err.len() < 100_000,
            "{name}: a message of {} B",
            said.err.len()
        );
    }
    let deep = format!("{}=1", ["a"; 60_000].join("."));
    let said = tokentide(&["check", "deepseek-day", "--set", &deep]);
    assert_eq!(
        said.code,
        Some(2),
        "{}",
        said.err.get(..500).unwrap_or(&said.err)
    );
}
