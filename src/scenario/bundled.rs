//! Scenarios that are part of the program, so that the installed binary runs with nothing else on disk.

/// A scenario inside the program.
#[derive(Clone, Copy, Debug)]
pub struct Bundled {
    /// Name of the scenario on the command line and in `extends`.
    pub name: &'static str,
    /// The scenario's text.
    pub text: &'static str,
}

/// All bundled scenarios, the main one first.
pub const BUNDLED: [Bundled; 5] = [
    Bundled {
        name: "deepseek-day",
        text: include_str!("../../scenarios/deepseek-day.toml"),
    },
    Bundled {
        name: "deepseek-day-hits-30",
        text: include_str!("../../scenarios/deepseek-day-hits-30.toml"),
    },
    Bundled {
        name: "deepseek-day-no-night-release",
        text: include_str!("../../scenarios/deepseek-day-no-night-release.toml"),
    },
    Bundled {
        name: "chat-h800",
        text: include_str!("../../scenarios/chat-h800.toml"),
    },
    Bundled {
        name: "chat-h200",
        text: include_str!("../../scenarios/chat-h200.toml"),
    },
];

/// The bundled scenario of this name; `None`: there is none.
pub fn bundled(name: &str) -> Option<&'static Bundled> {
    BUNDLED.iter().find(|b| b.name == name)
}
