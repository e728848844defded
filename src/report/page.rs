//! Sections of lines and grids, before any format: what the terminal and Markdown share.

use super::grid::Grid;
use super::plot::Scatter;
use super::style::Tone;

/// A report.
#[derive(Clone, Debug)]
pub struct Page {
    /// The scenario's name.
    pub title: String,
    /// Where and when it ran, in one line.
    pub subtitle: String,
    /// The verdict, a sentence each, and whether it is good news.
    pub verdict: (Tone, Vec<String>),
    /// The rest.
    pub sections: Vec<Section>,
}

/// Part of a report.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its title.
    pub title: String,
    /// What it shows.
    pub body: Body,
    /// Asides below it, e.g. a legend.
    pub notes: Vec<String>,
}

/// What a section shows.
#[derive(Clone, Debug)]
pub enum Body {
    /// A table.
    Grid(Grid),
    /// Labelled figures: a label and what belongs to it.
    Figures(Vec<(&'static str, Vec<String>)>),
    /// Sentences.
    Lines(Vec<(Tone, String)>),
    /// Points in a plane.
    Drawing(Scatter),
}
