//! Formulas of queueing theory that give more than one of the known values. Each is held against published
//! ones.

/// Erlang's loss formula (B): the part of arrivals that finds all servers taken.
pub fn loss(servers: u32, load: f64) -> f64 {
    (1..=servers).fold(1.0, |b, k| load * b / (f64::from(k) + load * b))
}

/// Erlang's delay formula (C): the part that waits, where everybody may.
pub fn delayed(servers: u32, load: f64) -> f64 {
    let b = loss(servers, load);
    let busy = load / f64::from(servers);
    b / (1.0 - busy * (1.0 - b))
}

/// Mean wait of M/M/c with a mean service of 1.
pub fn wait(servers: u32, load: f64) -> f64 {
    delayed(servers, load) / (f64::from(servers) - load)
}

#[test]
fn formulas_give_the_published_values() {
    let published = [
        (loss(8, 6.4), 0.144_393_89),
        (loss(10, 10.0), 0.214_582_34),
        (loss(64, 60.0), 0.060_362_74),
        (loss(256, 240.0), 0.017_273_52),
        (delayed(8, 6.4), 0.457_644_93),
        (wait(8, 6.4), 0.286_028_08),
        (wait(32, 28.8), 0.143_186_44),
        (wait(144, 136.8), 0.060_255_02),
    ];
    for (ours, theirs) in published {
        assert!((ours - theirs).abs() < 1e-8, "{ours}, not {theirs}");
    }
}
