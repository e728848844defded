//! Quantiles of the standard normal law.
//!
//! Wichura, "Algorithm AS 241: The Percentage Points of the Normal Distribution", Applied Statistics
//! 37 (1988), routine PPND16: rational approximations with a relative error near 10^-16.

/// The z that a standard normal variable exceeds with probability `p`, for `0 < p <= 0.5`.
pub fn upper_quantile(p: f64) -> f64 {
    let q = 0.5 - p;
    if q <= 0.425 {
        let r = 0.180_625 - q * q;
        return q * polynomial(&CENTRE_NUMERATOR, r) / polynomial(&CENTRE_DENOMINATOR, r);
    }
    let r = libm::sqrt(-libm::log(p));
    if r <= 5.0 {
        polynomial(&MIDDLE_NUMERATOR, r - 1.6) / polynomial(&MIDDLE_DENOMINATOR, r - 1.6)
    } else {
        polynomial(&TAIL_NUMERATOR, r - 5.0) / polynomial(&TAIL_DENOMINATOR, r - 5.0)
    }
}

/// Horner's rule, constant term first.
fn polynomial(coefficients: &[f64; 8], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, c| sum * x + c)
}

// The coefficients a, b, c, d, e, f of the paper, with all its digits.
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
const CENTRE_NUMERATOR: [f64; 8] = [
    3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3,
    1.3731693765509461125e4, 4.5921953931549871457e4, 6.7265770927008700853e4,
    3.3430575583588128105e4, 2.5090809287301226727e3,
];
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
const CENTRE_DENOMINATOR: [f64; 8] = [
    1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3,
    2.1213794301586595867e4, 3.9307895800092710610e4, 2.8729085735721942674e4,
    5.2264952788528545610e3,
];
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
const MIDDLE_NUMERATOR: [f64; 8] = [
    1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
    3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1,
    2.27238449892691845833e-2, 7.74545014278341407640e-4,
];
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
const MIDDLE_DENOMINATOR: [f64; 8] = [
    1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
    1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4,
    1.05075007164441684324e-9,
];
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
const TAIL_NUMERATOR: [f64; 8] = [
    6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
    2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3,
    2.71155556874348757815e-5, 2.01033439929228813265e-7,
];
#[rustfmt::skip]
#[allow(clippy::excessive_precision)]
const TAIL_DENOMINATOR: [f64; 8] = [
    1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
    7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7,
    2.04426310338993978564e-15,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_function_inverts_it() {
        // Over all three ranges, from the median to a tail of 2^-60.
        let mut p = 0.5;
        while p > 8.7e-19 {
            let z = upper_quantile(p);
            let back = 0.5 * libm::erfc(z / std::f64::consts::SQRT_2);
            assert!((back / p - 1.0).abs() < 1e-13, "p {p} z {z} back {back}");
            p *= 0.97;
        }
    }

    #[test]
    fn the_paper_s_examples() {
        // AS 241, section "Test data": P = 0.25, 0.001, 1e-20.
        for (p, z) in [
            (0.25, 0.674_489_750_196_081_7),
            (0.001, 3.090_232_306_167_814),
            (1e-20, 9.262_340_089_798_408),
        ] {
            assert!((upper_quantile(p) / z - 1.0).abs() < 1e-14, "p {p}");
        }
    }
}
