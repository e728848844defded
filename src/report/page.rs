//! Sections of lines and grids, before any format: what the terminal and Markdown share.

use super::grid::Grid;
use super::plot::Scatter;
use super::style::Tone;

/// A report: title, verdict and sections, before it is laid out.
#[derive(Clone, Debug)]
pub struct Page {
    /// Name of the scenario, or title of another report.
    pub title: String,
    /// Where and when the scenario ran, in one line.
    pub subtitle: String,
    /// The verdict, a sentence each, and whether it is good news.
    pub verdict: (Tone, Vec<String>),
    /// Sections after the verdict.
    pub sections: Vec<Section>,
}

/// A section of a report.
#[derive(Clone, Debug)]
pub struct Section {
    /// Title of the section.
    pub title: String,
    /// Content of the section.
    pub body: Body,
    /// Notes below the section, e.g. a legend.
    pub notes: Vec<String>,
}

/// The content of a section.
#[derive(Clone, Debug)]
pub enum Body {
    /// A table of columns.
    Grid(Grid),
    /// Labelled figures: a label and what belongs to it.
    Figures(Vec<(&'static str, Vec<String>)>),
    /// Sentences, each with its tone.
    Lines(Vec<(Tone, String)>),
    /// A drawing of points in a plane.
    Drawing(Scatter),
}
