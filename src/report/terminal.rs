//! The report for a terminal, a pipe or a mail.

use super::arrange::arrange;
use super::page::{Body, Page, Section};
use super::style::{Style, Tone, display_width, wrap};
use super::summary::RunSummary;

/// Columns for the labels of labelled figures.
const LABEL: usize = 12;

/// A run's whole report for a terminal.
pub fn render(summary: &RunSummary, style: &Style) -> String {
    page(&arrange(summary), style)
}

/// Any page for a terminal.
pub fn page(page: &Page, style: &Style) -> String {
    let mut text = head(page, style);
    for section in &page.sections {
        text.push('\n');
        section_text(section, style, &mut text);
    }
    text
}

fn head(page: &Page, style: &Style) -> String {
    let mut text = String::new();
    push_lines(&page.title, Tone::Strong, style, &mut text);
    push_lines(&page.subtitle, Tone::Quiet, style, &mut text);
    let (tone, sentences) = &page.verdict;
    if !sentences.is_empty() {
        text.push('\n');
    }
    for (i, sentence) in sentences.iter().enumerate() {
        let tone = if i == 0 { *tone } else { Tone::Plain };
        push_lines(sentence, tone, style, &mut text);
    }
    text
}

fn section_text(section: &Section, style: &Style, text: &mut String) {
    push_lines(&section.title, Tone::Strong, style, text);
    match &section.body {
        Body::Grid(grid) => text.push_str(&grid.to_text(style)),
        Body::Figures(rows) => {
            for (label, figures) in rows {
                figures_text(label, figures, style, text);
            }
        }
        Body::Lines(lines) => {
            for (tone, line) in lines {
                push_lines(line, *tone, style, text);
            }
        }
        Body::Drawing(scatter) => {
            for line in scatter.lines(style.width) {
                text.push_str(&line);
                text.push('\n');
            }
        }
    }
    for note in &section.notes {
        push_lines(note, Tone::Quiet, style, text);
    }
}

/// A label and its figures, broken between figures where that can be.
fn figures_text(label: &str, figures: &[String], style: &Style, text: &mut String) {
    let room = style.prose() - LABEL;
    let mut lines: Vec<String> = Vec::new();
    for figure in figures {
        match lines.last_mut() {
            Some(line) if display_width(line) + 3 + display_width(figure) <= room => {
                line.push_str("   ");
                line.push_str(figure);
            }
            _ => lines.extend(wrap(figure, room)),
        }
    }
    if lines.is_empty() {
        lines.push(String::new());
    }
    for (i, line) in lines.iter().enumerate() {
        let label = if i == 0 { label } else { "" };
        text.push_str(&style.paint(Tone::Quiet, label));
        text.push_str(&" ".repeat(LABEL.saturating_sub(display_width(label))));
        text.push_str(line);
        text.push('\n');
    }
}

fn push_lines(words: &str, tone: Tone, style: &Style, text: &mut String) {
    for line in wrap(words, style.prose()) {
        text.push_str(&style.paint(tone, &line));
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::day;

    #[test]
    fn the_whole_report_reads_like_this() {
        insta::assert_snapshot!(render(&day(), &Style::default()), @r"
        Three hours
        3 h from 2025-02-28T02:00:00+08:00, seed 1, scenario 0123abcd, tokentide 0.1.0

        The run was served well: 300,100 requests completed, none was lost; TTFT p50
        720 ms, p99 2.00 s; 21.0 tokens/s per request.
        Worst 1 h from 03:00: an average request took 53.5 s (48.4 s over the whole),
        TTFT p99 2.25 s, 19.0 tokens/s; decode speed limits it (94.7 requests on a rank
        share each step).

        Published and simulated
        kind       figure                  published  simulated     difference
        ──────────────────────────────────────────────────────────────────────
        predicted  output speed, tokens/s      20-22         21         inside
        predicted  slow speed, tokens/s        24-25         21  -12.5 % below
        input      cost                       $3,840     $3,840         0.00 %
        predicted: computed from other things. input: the scenario was built from it, so
        agreement checks sampling and accounting only.
        Published: a sample

        Hour by hour: load and service
                               prefill decode   KV batch         TTFT s   output
        hour  nodes             busy % busy %    % /rank req/s   p50  p99  tok/s waiting
        ────────────────────────────────────────────────────────────────────────────────
        02:00   100 ██████████    62.5    100 65.4  83.7  27.8 0.630 1.75   21.5    15.0
        03:00    60 ██████        62.5    100 74.0  94.7  27.8 0.810 2.25   19.0    15.0
        04:00    80 ████████      62.5    100 63.9  81.8  27.8 0.720 2.00   22.0    15.0
        ────────────────────────────────────────────────────────────────────────────────
        all      80               62.5    100 68.8  88.0  27.8 0.720 2.00   21.0    15.0

        Hour by hour: cost and revenue
        hour   cost $  revenue $                                 profit $  profit/cost %
        ────────────────────────────────────────────────────────────────────────────────
        02:00   1,600      6,000  ████████░░░░░░░░░░░░░░░░░░░░░     4,400            275
        03:00     960      5,000  █████░░░░░░░░░░░░░░░░░░░          4,040            421
        04:00   1,280      1,000  █████x                             -280            -22
        ────────────────────────────────────────────────────────────────────────────────
        all     3,840     12,000                                    8,160            212
        █ cost, ░ revenue above it, x cost that revenue does not meet

        Totals
        Requests    300,000 arrived   300,100 completed   none lost
                    900 in flight at the start, 800 at the end
        Tokens      input 1.20 G   cached 675.0 M (hit rate 56.2 %)   computed 525.0 M
                    output 300.3 M
        Nodes       mean 80.00   peak 100   240.00 node-hours
        Throughput  prefill 73.7 k input tokens/s per node
                    decode 14.8 k output tokens/s per node
        Decode      21.0 tokens/s per request   KV length 4,989 tokens
                    batch 88.0 per rank   210,000 steps   0 preemptions
                    1,203 migrations
        Economics   cost $3,840   revenue $12,000   profit $8,160 (212.5 % of cost)
                    $0.518 per million output tokens   energy not known
                    0 unbilled requests

        Latency
                          mean      p50      p90      p95      p99     max
        ──────────────────────────────────────────────────────────────────
        TTFT            800 ms   720 ms   1.20 s   1.40 s   2.00 s  3.20 s
        TPOT           47.6 ms  42.9 ms  71.4 ms  83.3 ms   119 ms  190 ms
        ITL            47.6 ms  42.9 ms  71.4 ms  83.3 ms   119 ms  190 ms
        E2E             48.4 s   43.5 s   72.6 s   84.6 s    121 s   193 s
        prefill queue   200 ms   180 ms   300 ms   350 ms   500 ms  800 ms
        decode queue   25.0 ms  22.5 ms  37.5 ms  43.8 ms  62.5 ms  100 ms

        Pools
                                                        waiting      waited for
                    nodes                  KV  batch           at      KV      a
        pool      mean  peak     busy    held  /rank  mean    end  memory   slot   steps
        ────────────────────────────────────────────────────────────────────────────────
        prefill  32.00    40   62.5 %       -      -  12.0     10       -      -   5,000
        decode   48.00    60  100.0 %  68.8 %   88.0   3.0      2   0.0 %  0.0 %  70,000

        Classes
                                TTFT          TPOT            SLO       goodput
        class arrived lost    p50    p99     p50    p99    met required      /s revenue
        ───────────────────────────────────────────────────────────────────────────────
        r1    100,000    0 720 ms 2.00 s 42.9 ms 119 ms 99.8 %   99.0 %   27.50 $12,000

        Latency by input length
                        requests       TTFT s        TPOT ms     E2E s
        input tokens           %   p50   p90   p99   p50  p99   p50  p99
        ────────────────────────────────────────────────────────────────
        1 - 4,095           66.6  0.36  0.60  1.00  42.9  119  43.2  120
        4,096 and more      33.4  1.44  2.40  4.00  43.9  122  45.3  126

        Audit
        2 balances hold.

        Warnings
        decode queue: a sample warning
        ");
    }

    #[test]
    fn lines_keep_to_80_columns_and_end_in_no_space() {
        for line in render(&day(), &Style::default()).lines() {
            assert!(display_width(line) <= 80, "{line}");
            assert_eq!(line.trim_end(), line);
        }
    }

    #[test]
    fn colour_changes_no_word() {
        let coloured = render(&day(), &Style::new(true, 80));
        let mut plain = String::new();
        for (i, piece) in coloured.split('\u{1b}').enumerate() {
            plain.push_str(match piece.split_once('m') {
                Some((_code, text)) if i > 0 => text,
                _ => piece,
            });
        }
        assert_eq!(plain, render(&day(), &Style::default()));
        assert_ne!(coloured, plain);
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let mut summary = day();
        summary.scenario.name = "a\u{1b}]0;b\u{7}".to_string();
        summary.warnings = vec!["c\u{1b}[2J".to_string()];
        assert!(!render(&summary, &Style::default()).contains('\u{1b}'));
    }
}
