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

/// Mean wait of GI/M/1 with a mean service of 1: s / (1 - s), where s < 1 is the root of s = A(1 - s), A the Laplace
/// transform of the gaps' law.
pub fn wait_of_renewals(transform: impl Fn(f64) -> f64) -> f64 {
    // From 0 upwards the iteration climbs to the least root.
    let root = (0..100_000).fold(0.0, |s, _| transform(1.0 - s));
    root / (1.0 - root)
}

/// The Laplace transform of a gamma law.
pub fn gamma(rate: f64, cv: f64) -> impl Fn(f64) -> f64 {
    let (shape, scale) = (1.0 / (cv * cv), cv * cv / rate);
    move |s| libm::pow(1.0 + s * scale, -shape)
}

/// The Laplace transform of the Weibull law of shape 1/2, whose squared coefficient of variation is 5: a gap is y^2 /
/// (2 rate) with y exponential, so that with b = s / (2 rate) the transform is sqrt(pi / 4b) exp(1 / 4b) erfc(1 / 2 sqrt b).
pub fn weibull_of_half(rate: f64) -> impl Fn(f64) -> f64 {
    move |s| {
        let quarter = rate / (2.0 * s);
        (std::f64::consts::PI * quarter).sqrt() * libm::exp(quarter) * libm::erfc(quarter.sqrt())
    }
}

/// Mean wait of a queue with a mean service of 1, exponential, whose Poisson arrivals have a rate that jumps between two
/// levels, left at these rates: MMPP/M/1, by the matrix-geometric method (Neuts, "Matrix-Geometric Solutions", 1981).
pub fn wait_of_bursts(levels: [f64; 2], left: [f64; 2]) -> f64 {
    type Matrix = [[f64; 2]; 2];
    let times = |a: Matrix, b: Matrix| -> Matrix {
        [0, 1].map(|i| [0, 1].map(|j| a[i][0] * b[0][j] + a[i][1] * b[1][j]))
    };
    let inverse = |[[a, b], [c, d]]: Matrix| -> Matrix {
        let all = a * d - b * c;
        [[d / all, -b / all], [-c / all, a / all]]
    };
    // R = arrivals (stay - R service)^-1, with a service rate of 1.
    let out = [0, 1].map(|i| levels[i] + left[i] + 1.0);
    let mut r: Matrix = [[0.0; 2]; 2];
    for _ in 0..100_000 {
        let inner = [
            [out[0] - r[0][0], -left[0] - r[0][1]],
            [-left[1] - r[1][0], out[1] - r[1][1]],
        ];
        r = times([[levels[0], 0.0], [0.0, levels[1]]], inverse(inner));
    }
    // Nobody is inside with probabilities x, where x (Q - arrivals + R) = 0 and x (I - R)^-1 sums to 1.
    let boundary = r[0][0] - levels[0] - left[0];
    let ratio = -boundary / (left[1] + r[1][0]);
    let others = inverse([[1.0 - r[0][0], -r[0][1]], [-r[1][0], 1.0 - r[1][1]]]);
    let sum = |m: Matrix| m[0][0] + m[0][1] + ratio * (m[1][0] + m[1][1]);
    let inside = sum(times(r, times(others, others))) / sum(others);
    let rate = (levels[0] * left[1] + levels[1] * left[0]) / (left[0] + left[1]);
    inside / rate - 1.0
}

#[test]
fn laws_of_arrivals_that_are_poisson_wait_as_poisson_does() {
    // M/M/1 and D/M/1 at 0.8; levels that are the same are none.
    let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a}, not {b}");
    near(wait_of_renewals(gamma(0.8, 1.0)), 4.0);
    near(wait_of_renewals(|s| libm::exp(-s / 0.8)), 1.692_730_84);
    near(wait_of_bursts([0.8, 0.8], [0.1, 0.3]), 4.0);
    // Levels that change very quickly are one level; that change very slowly, the mean of both queues' numbers.
    near(wait_of_bursts([0.4, 1.2], [1e7, 1e7]), 4.0);
    let slow = (0.2 * 0.25 + 0.6 * 1.5) / 0.8;
    assert!((wait_of_bursts([0.2, 0.6], [1e-5, 1e-5]) / slow - 1.0).abs() < 1e-3);
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
