//! Points in a plane, drawn in characters, as wide as there is room.
//!
//! An axis whose greatest figure is many times its least goes by ratios, and says so.

use super::format::number;

/// Ratio of greatest to least from which an axis is logarithmic.
const MANY_TIMES: f64 = 20.0;

/// Columns and rows of the plane, where there is room.
const SIZE: (usize, usize) = (64, 14);

/// The fewest columns of a plane.
const NARROWEST: usize = 16;

/// An axis: its name and how its figures are written.
#[derive(Clone, Debug)]
pub struct PlotAxis {
    /// Name of the axis's figure.
    pub name: String,
    /// Writes a figure; `None`: a plain number.
    pub show: Option<fn(f64) -> String>,
}

/// A point of a drawing: x, y, and whether it stands out.
pub type Dot = (f64, f64, bool);

/// Points to be drawn in a plane.
#[derive(Clone, Debug)]
pub struct Scatter {
    /// Points with their figures.
    pub dots: Vec<Dot>,
    /// The axis from left to right.
    pub x: PlotAxis,
    /// The axis from bottom to top.
    pub y: PlotAxis,
}

impl Scatter {
    /// The drawing as lines of at most `width` columns; nothing where there are no points. Points that stand out are
    /// drawn over others.
    pub fn lines(&self, width: usize) -> Vec<String> {
        scatter(&self.dots, &self.x, &self.y, width)
    }
}

fn scatter(dots: &[Dot], x: &PlotAxis, y: &PlotAxis, width: usize) -> Vec<String> {
    let Some(up) = PlotScale::of(dots.iter().map(|dot| dot.1), SIZE.1) else {
        return Vec::new();
    };
    let text = |axis: &PlotAxis, figure| {
        axis.show
            .map_or_else(|| number(figure), |show| show(figure))
    };
    let (top, bottom) = (text(y, up.high), text(y, up.low));
    let margin = top.chars().count().max(bottom.chars().count());
    let columns = SIZE.0.min(width.saturating_sub(margin + 3)).max(NARROWEST);
    let Some(across) = PlotScale::of(dots.iter().map(|dot| dot.0), columns) else {
        return Vec::new();
    };
    let mut plane = vec![vec![' '; columns]; SIZE.1];
    for stands_out in [false, true] {
        for dot in dots.iter().filter(|dot| dot.2 == stands_out) {
            let row = SIZE.1 - 1 - up.cell(dot.1);
            plane[row][across.cell(dot.0)] = if stands_out { '●' } else { '·' };
        }
    }
    let mut lines = vec![format!("{:margin$}   {}{}", "", y.name, up.words())];
    for (i, row) in plane.iter().enumerate() {
        let label = match i {
            0 => top.as_str(),
            i if i == SIZE.1 - 1 => bottom.as_str(),
            _ => "",
        };
        let row: String = row.iter().collect();
        lines.push(
            format!("{label:>margin$} │ {}", row.trim_end())
                .trim_end()
                .to_string(),
        );
    }
    lines.push(format!("{:margin$} └{}", "", "─".repeat(columns + 1)));
    let (left, right) = (text(x, across.low), text(x, across.high));
    let room = columns + 1 - left.chars().count().min(columns);
    lines.push(format!("{:margin$}  {left}{right:>room$}", ""));
    let name = format!("{}{}", x.name, across.words());
    lines.push(format!(
        "{:margin$}  {name:>width$}",
        "",
        width = columns + 1
    ));
    lines
}

/// A scale from figures to places in the plane.
struct PlotScale {
    low: f64,
    high: f64,
    is_log: bool,
    cells: usize,
}

impl PlotScale {
    fn of(figures: impl Iterator<Item = f64> + Clone, cells: usize) -> Option<Self> {
        let figures = figures.filter(|x| x.is_finite());
        let low = figures.clone().reduce(f64::min)?;
        let high = figures.reduce(f64::max)?;
        let is_log = low > 0.0 && high / low >= MANY_TIMES;
        Some(Self {
            low,
            high,
            is_log,
            cells,
        })
    }

    fn cell(&self, figure: f64) -> usize {
        let place = |x: f64| if self.is_log { libm::log(x) } else { x };
        let width = place(self.high) - place(self.low);
        let part = if width > 0.0 {
            (place(figure) - place(self.low)) / width
        } else {
            0.5
        };
        libm::round(part * (self.cells - 1) as f64) as usize
    }

    fn words(&self) -> &'static str {
        if self.is_log { " (by ratios)" } else { "" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_stand_where_their_figures_say() {
        let dots = [(1.0, 10.0, true), (2.0, 63.0, false), (3.0, 400.0, true)];
        let axis = |name: &str| PlotAxis {
            name: name.to_owned(),
            show: None,
        };
        let lines = scatter(&dots, &axis("speed"), &axis("load"), 80);
        assert_eq!(lines.len(), SIZE.1 + 4);
        assert_eq!(lines[0], "      load (by ratios)");
        assert_eq!(lines[1], format!("400 │ {:>1$}", '●', SIZE.0));
        assert_eq!(lines[SIZE.1], " 10 │ ●");
        // a ratio of 6.3 of 40: in the middle of both axes
        let middle = lines.iter().find(|line| line.contains('·'));
        let at = middle.and_then(|line| line.chars().position(|c| c == '·'));
        assert_eq!(at, Some(6 + SIZE.0 / 2));
        assert_eq!(lines[SIZE.1 + 2], format!("     1{:>1$}", '3', SIZE.0));
        assert!(lines[SIZE.1 + 3].ends_with("speed"), "{lines:#?}");
        assert!(scatter(&[], &axis("x"), &axis("y"), 80).is_empty());
        let narrow = scatter(&dots, &axis("speed"), &axis("load"), 40);
        let widest = narrow.iter().map(|line| line.chars().count()).max();
        assert_eq!(widest, Some(40), "{narrow:#?}");
    }

    #[test]
    fn one_point_is_in_the_middle() {
        let axis = |name: &str| PlotAxis {
            name: name.to_owned(),
            show: None,
        };
        let lines = scatter(&[(5.0, 5.0, true)], &axis("x"), &axis("y"), 80);
        assert_eq!(lines.iter().filter(|line| line.contains('●')).count(), 1);
    }
}
