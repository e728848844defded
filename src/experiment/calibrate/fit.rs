//! Nonlinear least squares with priors: Levenberg and Marquardt's method with differences for derivatives.
//!
//! Parameters are positive and move on a logarithmic scale in units of their priors' standard deviations.

/// A positive parameter of the fit, with its lognormal prior.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    /// Value at which the search starts and where the prior is centred.
    pub start: f64,
    /// Standard deviation of the parameter's logarithm.
    pub spread: f64,
    /// Greatest value of the parameter.
    pub most: f64,
}

/// Residuals as a function of the parameters' values.
type Residuals<'a> = Box<dyn Fn(&[f64]) -> Result<Vec<f64>, String> + 'a>;

/// What is minimised: the sum of the residuals' and the priors' squares.
pub struct Problem<'a> {
    /// Parameters that are found.
    pub parameters: Vec<Parameter>,
    /// Residuals that are made small.
    pub residuals: Residuals<'a>,
}

/// Step of a numerical derivative, in standard deviations of the prior.
const STEP: f64 = 0.05;
/// Most rounds of the search.
const ROUNDS: usize = 12;
/// Gain of a round, as a part of the sum, below which the search ends.
const GAIN: f64 = 2e-3;

impl Problem<'_> {
    fn values(&self, moved: &[f64]) -> Vec<f64> {
        self.parameters
            .iter()
            .zip(moved)
            .map(|(p, x)| (p.start * libm::exp(x * p.spread)).min(p.most))
            .collect()
    }

    /// Residuals of the measurements, followed by those of the priors.
    fn all(&self, moved: &[f64]) -> Result<Vec<f64>, String> {
        let mut all = (self.residuals)(&self.values(moved))?;
        all.extend_from_slice(moved);
        Ok(all)
    }

    /// Finds the parameters' values that minimise the sum.
    ///
    /// # Errors
    /// Where residuals cannot be computed.
    pub fn solve(&self, progress: &mut dyn FnMut(usize, f64)) -> Result<Vec<f64>, String> {
        let count = self.parameters.len();
        let square = |r: &[f64]| r.iter().map(|x| x * x).sum::<f64>();
        let mut x = vec![0.0; count];
        let mut here = self.all(&x)?;
        let mut damping = 1e-2;
        for round in 1..=ROUNDS {
            let cost = square(&here);
            progress(round, cost);
            let mut slopes: Vec<Vec<f64>> = Vec::with_capacity(count);
            for i in 0..count {
                let mut beside = x.clone();
                beside[i] += STEP;
                let there = self.all(&beside)?;
                slopes.push(
                    there
                        .iter()
                        .zip(&here)
                        .map(|(a, b)| (a - b) / STEP)
                        .collect(),
                );
            }
            let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let gradient: Vec<f64> = slopes.iter().map(|s| -dot(s, &here)).collect();
            let mut gained = 0.0;
            for _ in 0..6 {
                let mut matrix: Vec<Vec<f64>> = slopes
                    .iter()
                    .map(|a| slopes.iter().map(|b| dot(a, b)).collect())
                    .collect();
                for (i, row) in matrix.iter_mut().enumerate() {
                    row[i] *= 1.0 + damping;
                }
                let step = solve_linear(matrix, gradient.clone());
                let next: Vec<f64> = x
                    .iter()
                    .zip(&step)
                    .map(|(x, s)| x + s.clamp(-2.0, 2.0))
                    .collect();
                let there = self.all(&next)?;
                let better = cost - square(&there);
                if better > 0.0 {
                    (x, here, gained) = (next, there, better / cost);
                    damping = (damping / 4.0).max(1e-6);
                    break;
                }
                damping *= 6.0;
            }
            if gained < GAIN {
                break;
            }
        }
        Ok(self.values(&x))
    }
}

/// Solves linear equations by Gauss's elimination with pivots; a singular matrix leaves zeros.
fn solve_linear(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for column in 0..n {
        let pivot = (column..n)
            .max_by(|&a, &b| matrix[a][column].abs().total_cmp(&matrix[b][column].abs()));
        let pivot = pivot.unwrap_or(column);
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        if matrix[column][column].abs() < 1e-300 {
            continue;
        }
        for row in column + 1..n {
            let factor = matrix[row][column] / matrix[column][column];
            let above = matrix[column].clone();
            for (cell, above) in matrix[row].iter_mut().zip(&above).skip(column) {
                *cell -= factor * above;
            }
            right[row] -= factor * right[column];
        }
    }
    let mut solution = vec![0.0; n];
    for row in (0..n).rev() {
        let known: f64 = (row + 1..n).map(|c| matrix[row][c] * solution[c]).sum();
        if matrix[row][row].abs() >= 1e-300 {
            solution[row] = (right[row] - known) / matrix[row][row];
        }
    }
    solution
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_what_made_the_data_and_priors_hold_what_is_not_seen() {
        // y = a x + b x^2; the third parameter appears nowhere
        let truth = [2.0, 0.5];
        let free = |start| Parameter {
            start,
            spread: 1.0,
            most: 100.0,
        };
        let problem = Problem {
            parameters: vec![free(1.0), free(1.0), free(7.0)],
            residuals: Box::new(|v: &[f64]| {
                let at = |v: &[f64], x: f64| v[0] * x + v[1] * x * x;
                Ok((1..50)
                    .map(f64::from)
                    .map(|x| 100.0 * libm::log(at(v, x) / at(&truth, x)))
                    .collect())
            }),
        };
        let found = problem.solve(&mut |_, _| {}).expect("no failure");
        assert!((found[0] - 2.0).abs() < 0.01, "{found:?}");
        assert!((found[1] - 0.5).abs() < 0.01, "{found:?}");
        assert!((found[2] - 7.0).abs() < 1e-6, "{found:?}");
    }
}
