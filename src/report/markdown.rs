//! The report as Markdown, for a pull request or a wiki: the same page as the terminal's.

use super::arrange::arrange;
use super::grid::escape;
use super::page::{Body, Page, Section};
use super::style::WIDTH;
use super::summary::RunSummary;

/// A run's whole report in Markdown.
pub fn render(summary: &RunSummary) -> String {
    page(&arrange(summary))
}

/// Any page in Markdown.
pub fn page(page: &Page) -> String {
    let (_, sentences) = &page.verdict;
    let sentences: Vec<String> = sentences.iter().map(|s| escape(s)).collect();
    let (first, others) = sentences.split_at(1.min(sentences.len()));
    let mut text = format!("## {}\n", escape(&page.title));
    if !page.subtitle.is_empty() {
        text.push_str(&format!("\n{}\n", escape(&page.subtitle)));
    }
    if !sentences.is_empty() {
        text.push_str(&format!("\n**{}** {}\n", first.concat(), others.join(" ")));
    }
    for section in &page.sections {
        section_text(section, &mut text);
    }
    text
}

fn section_text(section: &Section, text: &mut String) {
    text.push_str(&format!("\n### {}\n\n", section.title));
    match &section.body {
        Body::Grid(grid) => text.push_str(&grid.to_markdown()),
        Body::Figures(rows) => {
            for (label, figures) in rows {
                text.push_str(&format!("- {label}: {}\n", escape(&figures.join(", "))));
            }
        }
        Body::Lines(lines) => {
            for (_, line) in lines {
                text.push_str(&format!("- {}\n", escape(line)));
            }
        }
        Body::Drawing(scatter) => {
            let lines = scatter.lines(WIDTH).join("\n");
            text.push_str(&format!("```text\n{lines}\n```\n"));
        }
    }
    for note in &section.notes {
        text.push_str(&format!("\n{}\n", escape(note)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::day;
    use crate::report::verdict::assess;

    #[test]
    fn it_says_what_the_terminal_says() {
        let summary = day();
        let text = render(&summary);
        for sentence in assess(&summary).sentences() {
            assert!(text.contains(&escape(&sentence)), "{sentence}");
        }
        for section in arrange(&summary).sections {
            assert!(text.contains(&format!("\n### {}\n\n", section.title)));
        }
        assert!(text.contains("| 03:00 | 60 | ██████"));
        assert!(text.contains("| predicted | output speed, tokens/s | 20-22 | 21 | inside |"));
    }

    #[test]
    fn every_row_of_a_table_has_its_columns() {
        let text = render(&day());
        let mut columns = None;
        for line in text.lines() {
            let bars = line.matches(" | ").count();
            match columns {
                _ if !line.starts_with('|') => columns = None,
                None => columns = Some(bars),
                Some(expected) => assert_eq!(bars, expected, "{line}"),
            }
        }
    }

    #[test]
    fn names_are_shown_as_they_are() {
        let mut summary = day();
        summary.scenario.name = "<b>|*x*".to_string();
        summary.published[0].name = "a|b".to_string();
        let text = render(&summary);
        assert!(text.starts_with("## \\<b>\\|\\*x\\*\n"), "{text}");
        assert!(text.contains("| a\\|b |"));
    }
}
