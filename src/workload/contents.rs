//! What prompts consist of (S4, S19): spans, of which a prefix cache finds the beginnings again.
//!
//! A prompt is a path of spans, each with a key of its own: a shared prompt first, then what the turns of its
//! session have said so far, then what is the request's alone. Equal keys at equal places are
//! equal tokens. So what requests have in common takes no memory however long it is: blocks are counted, not listed. Of
//! recordings with ids each block is a span. The last span goes on with what the request generates.

use std::sync::Arc;

use super::Request;
use super::random::{Stream, hash};
use crate::scenario::{AnswersIn, ArrivalKind, Class, RecordedBlocks, Scenario, SharedPrompts};

/// A part of a prompt, which has this key in all prompts that contain it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PromptSpan {
    /// Key of the span.
    pub key: u64,
    /// Tokens from the prompt's beginning to the span's end; the largest number: it goes on with what is generated.
    pub end: u32,
}

/// End of a span that goes on with whatever a request generates.
pub const OPEN: u32 = u32::MAX;

/// Keys from here on are spans of one request alone.
const OWN: u64 = 1 << 63;

/// Keys from here on are the lines of sessions.
const LINE: u64 = 1 << 62;

/// Keys from here on are blocks of recordings, 2^32 for each.
const BLOCKS: u64 = 1 << 61;

/// The contents of the prompts of all classes.
#[derive(Clone, Debug)]
pub struct Contents {
    classes: Vec<ClassContents>,
}

/// The contents of the prompts of a class.
#[derive(Clone, Debug)]
struct ClassContents {
    /// Prompts that requests begin with: the first one's key, which the others follow, and their tokens.
    shared: Option<(u64, u32)>,
    sessions: Option<SessionContents>,
    /// Blocks of recorded prompts, with the key of the first.
    recorded: Option<(u64, Arc<RecordedBlocks>)>,
}

/// What the turns of a session have in common.
#[derive(Clone, Debug)]
struct SessionContents {
    /// Key of the first session's line.
    line: u64,
    answers: AnswersIn,
    /// Choice of a session's shared prompt, by a hash of its number and this salt.
    choice: Option<(PromptChoice, u64)>,
}

impl Contents {
    /// The contents of a scenario's prompts; `None`: hits have a stated rate, and nothing is asked of contents.
    pub fn new(scenario: &Scenario) -> Option<Self> {
        scenario.kv_cache.blocks()?;
        let mut first = 0;
        let mut classes: Vec<ClassContents> = Vec::new();
        for (index, class) in (0_u64..).zip(&scenario.classes) {
            let shared = class.shared_prompts.map(|prompts| {
                let own = (first, prompts.tokens);
                first += u64::from(prompts.count);
                own
            });
            let recorded = match &class.arrivals.kind {
                ArrivalKind::Trace(play) => play.blocks.clone(),
                _ => None,
            };
            // Classes that play one recording have its prompts in common.
            let recorded = recorded.map(|blocks| {
                let known = classes.iter().filter_map(|c| c.recorded.as_ref());
                let same = known.clone().find(|(_, of)| Arc::ptr_eq(of, &blocks));
                (same.map_or(BLOCKS | index << 32, |(key, _)| *key), blocks)
            });
            let ArrivalKind::Sessions(turns) = &class.arrivals.kind else {
                let sessions = None;
                classes.push(ClassContents {
                    shared,
                    sessions,
                    recorded,
                });
                continue;
            };
            let salt = || Stream::new(scenario.seed, "prompts", &class.name).draw();
            let sessions = Some(SessionContents {
                line: LINE | index << 32,
                answers: turns.answers,
                choice: class.shared_prompts.map(|p| (PromptChoice::of(p), salt())),
            });
            classes.push(ClassContents {
                shared,
                sessions,
                recorded,
            });
        }
        Some(Self { classes })
    }

    /// The spans of a request's prompt, in order. `content` is the number that it arrived with.
    pub fn spans(&self, request: &Request, content: u32, spans: &mut Vec<PromptSpan>) {
        spans.clear();
        let class = self.classes.get(usize::from(request.class));
        let sessions = class.and_then(|class| class.sessions.as_ref());
        let number = u64::from(content);
        if let Some((first, tokens)) = class.and_then(|class| class.shared) {
            let chosen = match sessions {
                None => number,
                Some(SessionContents { choice, .. }) => {
                    choice.as_ref().map_or(0, |(choice, salt)| {
                        u64::from(choice.at(hash(salt.wrapping_add(number))))
                    })
                }
            };
            spans.push(PromptSpan {
                key: first + chosen,
                end: tokens.min(request.input),
            });
        }
        if let Some((first, blocks)) = class.and_then(|class| class.recorded.as_ref()) {
            let ends = (1..).map(|n: u32| n.saturating_mul(blocks.tokens()).min(request.input));
            spans.extend(
                blocks
                    .of(content)
                    .iter()
                    .zip(ends)
                    .map(|(id, end)| PromptSpan {
                        key: first + u64::from(*id),
                        end,
                    }),
            );
        }
        let own = PromptSpan {
            key: OWN | request.id,
            end: OPEN,
        };
        let Some(SessionContents { line, answers, .. }) = sessions else {
            spans.push(own);
            return;
        };
        let key = line + number;
        // A line begins where the shared prompt ends, in every turn: a first turn that ends before has none.
        let is_short = spans.last().is_some_and(|span| span.end == request.input);
        match answers {
            _ if is_short => spans.push(own),
            AnswersIn::Kept => spans.push(PromptSpan { key, end: OPEN }),
            AnswersIn::Dropped => {
                let end = request.input;
                spans.extend([PromptSpan { key, end }, own]);
            }
        }
    }
}

/// The numbers of contents with which the requests of a class arrive.
#[derive(Clone, Debug)]
pub(super) enum ContentNumbers {
    /// A number of a shared prompt.
    Prompts(PromptChoice),
    /// The session's number, which is the next.
    Sessions(u32),
    /// The place of a recorded prompt, of which the blocks are known.
    Recorded,
    /// No number.
    Own,
}

impl ContentNumbers {
    /// The numbers of a class of a scenario with a prefix cache; `None`: there is none.
    pub(super) fn new(scenario: &Scenario, class: &Class) -> Option<Self> {
        scenario.kv_cache.blocks()?;
        Some(match (&class.arrivals.kind, class.shared_prompts) {
            (ArrivalKind::Sessions(_), _) => Self::Sessions(0),
            (_, Some(prompts)) => Self::Prompts(PromptChoice::of(prompts)),
            (ArrivalKind::Trace(play), None) if play.blocks.is_some() => Self::Recorded,
            (_, None) => Self::Own,
        })
    }

    /// The next request's number, for which this was drawn.
    pub(super) fn next(&mut self, random: u64) -> u32 {
        match self {
            Self::Prompts(choice) => choice.at(random),
            Self::Sessions(next) => {
                let number = *next;
                *next = next.wrapping_add(1);
                number
            }
            Self::Recorded | Self::Own => 0,
        }
    }

    /// The number of a recorded request at this place, for which this was drawn.
    pub(super) fn of_row(&mut self, place: u32, random: u64) -> u32 {
        match self {
            Self::Recorded => place,
            Self::Prompts(_) | Self::Sessions(_) | Self::Own => self.next(random),
        }
    }
}

/// The choice of a shared prompt.
#[derive(Clone, Debug)]
pub(super) struct PromptChoice {
    /// For each but the last, the number at which those begin that choose the next.
    bounds: Vec<u64>,
}

impl PromptChoice {
    fn of(prompts: SharedPrompts) -> Self {
        let weight = |k: u32| libm::pow(f64::from(k), -prompts.zipf);
        let total: f64 = (1..=prompts.count).map(weight).sum();
        let mut sum = 0.0;
        let bound = |k: u32| {
            sum += weight(k);
            (sum / total * 18_446_744_073_709_551_616.0) as u64
        };
        Self {
            bounds: (1..prompts.count).map(bound).collect(),
        }
    }

    /// The prompt that a number chooses, which is uniform over all 64-bit numbers.
    fn at(&self, random: u64) -> u32 {
        self.bounds.partition_point(|bound| *bound <= random) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_begins_at_the_same_place_in_every_turn() {
        let sessions = SessionContents {
            line: LINE,
            answers: AnswersIn::Kept,
            choice: None,
        };
        let contents = Contents {
            classes: vec![ClassContents {
                shared: Some((0, 100)),
                sessions: Some(sessions),
                recorded: None,
            }],
        };
        let spans = |input| {
            let mut spans = Vec::new();
            let request = Request {
                id: 7,
                input,
                ..Request::default()
            };
            contents.spans(&request, 5, &mut spans);
            spans
        };
        let span = |key, end| PromptSpan { key, end };
        assert_eq!(spans(60), [span(0, 60), span(OWN | 7, OPEN)]);
        assert_eq!(spans(100), [span(0, 100), span(OWN | 7, OPEN)]);
        assert_eq!(spans(130), [span(0, 100), span(LINE + 5, OPEN)]);
    }

    #[test]
    fn popular_prompts_are_chosen_by_their_weights() {
        let choice = PromptChoice::of(SharedPrompts {
            tokens: 1,
            count: 4,
            zipf: 1.0,
        });
        // 1, 1/2, 1/3 and 1/4 of 25/12
        let mut counts = [0_u32; 4];
        for i in 0..25_000_u64 {
            counts[choice.at(i * (u64::MAX / 25_000)) as usize] += 1;
        }
        let near = |n: u32, of: u32| n.abs_diff(of) <= 1;
        assert!(
            near(counts[0], 12_000) && near(counts[1], 6_000),
            "{counts:?}"
        );
        assert!(
            near(counts[2], 4_000) && near(counts[3], 3_000),
            "{counts:?}"
        );
        assert_eq!(choice.at(0), 0);
        assert_eq!(choice.at(u64::MAX), 3);
    }

    #[test]
    fn one_prompt_is_everybodys() {
        let choice = PromptChoice::of(SharedPrompts {
            tokens: 1,
            count: 1,
            zipf: 0.0,
        });
        assert_eq!((choice.at(0), choice.at(u64::MAX)), (0, 0));
    }
}
