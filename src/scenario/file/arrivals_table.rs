//! The shape of `arrivals`: when requests come.

use super::super::shape::ValueKind::{
    Choice, Either, Integer, List, LongText, Pair, Table, Tagged as TaggedKind, Text, TimeOfDay,
};
use super::super::shape::{
    Field, TableShape, Tagged, ValueKind, Variant, default, number, optional, positive, required,
};
use super::super::vocabulary::{
    AmountKey, AnswersIn, ArrivalForm, FailedRows, Interpolation, ProfileKey, SessionAmountKey,
    ThinkLaw,
};
use super::law_table::LENGTHS;
use super::{A_WHILE, UP_TO_400_DAYS, UP_TO_A_DAY};
use crate::traffic::CountUnit;
use crate::words::each_of;

/// Greatest number of requests in a day.
pub const MAX_REQUESTS_PER_DAY: f64 = 4e9;

/// Greatest mean rate, in requests per second: a little less than [`MAX_REQUESTS_PER_DAY`].
const MAX_REQUESTS_PER_S: f64 = 46_000.0;

/// A rate relative to others of the day.
const WEIGHT: ValueKind = number(0.0, 1e12);

/// Shape of `[class.arrivals]`: when requests come.
pub static ARRIVALS: Tagged = Tagged {
    name: "arrivals",
    doc: "When requests come: how many, and how the rate runs over the day (local time)",
    example: "\"poisson\"",
    common: &[],
    variants: each_of!(ArrivalForm as Variant: form => of(form)),
};

/// The keys of arrivals of this form.
const fn of(form: ArrivalForm) -> Variant {
    let fields: &[Field] = match form {
        ArrivalForm::Poisson | ArrivalForm::Deterministic => &RATE,
        ArrivalForm::Gamma | ArrivalForm::Weibull => {
            const { &with_rate::<{ RATES + 1 }>(&[GAP_CV]) }
        }
        ArrivalForm::Bursts => const { &with_rate::<{ RATES + 3 }>(&BURSTS) },
        ArrivalForm::ClosedLoop => {
            const {
                &[
                    required("users", Integer(1, 10_000_000), "64", "How many users"),
                    default(
                        "think_time",
                        UP_TO_A_DAY,
                        "\"0s\"",
                        "From an answer's end to the user's next request, on average",
                    ),
                    default(
                        "think",
                        Choice(&ThinkLaw::WORDS),
                        "\"constant\"",
                        "How thinking varies",
                    ),
                    default(
                        "ramp_up",
                        UP_TO_A_DAY,
                        "\"0s\"",
                        "The users begin evenly over this time",
                    ),
                    optional(
                        "requests",
                        Integer(1, 10_000_000_000),
                        "Requests in all, from all users; left out: no end",
                    ),
                ]
            }
        }
        ArrivalForm::Sessions => {
            const {
                &[
                    session_amount(SessionAmountKey::PerDay),
                    session_amount(SessionAmountKey::PerSecond),
                    profile(ProfileKey::HourlyMeans),
                    profile(ProfileKey::Stepwise),
                    profile(ProfileKey::Linear),
                    required(
                        "turns",
                        number(1.0, 10_000.0),
                        "2.0",
                        "Mean number of turns, which is geometric: after each there is another with the same probability",
                    ),
                    default(
                        "think_time",
                        UP_TO_A_DAY,
                        "\"0s\"",
                        "From an answer's end to the next turn, on average",
                    ),
                    default(
                        "think",
                        Choice(&ThinkLaw::WORDS),
                        "\"exponential\"",
                        "How thinking varies",
                    ),
                    optional(
                        "next_input",
                        TaggedKind(&LENGTHS),
                        "New tokens of each turn after the first; by default as many as of the class's `input`, the first turn's",
                    ),
                    default(
                        "answers",
                        Choice(&AnswersIn::WORDS),
                        "\"kept\"",
                        "Whether answers are part of later turns' input",
                    ),
                ]
            }
        }
        ArrivalForm::Clients => {
            const {
                &[
                    required(
                        "file",
                        LongText,
                        "\"clients.tar.xz\"",
                        "An archive (tar, packed or not) of ServeGen's files of clients, relative to this file: chunk-N-trace.csv and chunk-N-dataset.json",
                    ),
                    HASH,
                    default(
                        "rate",
                        positive(1e6),
                        "1.0",
                        "How many times as many requests as recorded each client sends",
                    ),
                ]
            }
        }
        ArrivalForm::Trace => {
            const {
                &[
                    optional(
                        "file",
                        LongText,
                        "The file of recorded requests, relative to this file, of any size, packed or not: our own CSV or JSON lines, Azure, BurstGPT, Mooncake, kv-cache-tester",
                    ),
                    HASH,
                    default(
                        "rate",
                        positive(1e6),
                        "1.0",
                        "How many times as fast as recorded the requests come",
                    ),
                    optional(
                        "window",
                        Pair(&UP_TO_400_DAYS, &UP_TO_400_DAYS),
                        "The part that is played: from and to, from the recording's beginning",
                    ),
                    default(
                        "repeat",
                        Integer(1, 1_000_000),
                        "1",
                        "How many times the recording is played, one after another",
                    ),
                    optional(
                        "at",
                        TimeOfDay(false),
                        "Local time of day at which the recording begins; left out: with the simulation",
                    ),
                    optional(
                        "failed",
                        Choice(&FailedRows::WORDS),
                        "What becomes of recorded requests without an output, which failed; left out: they are left out",
                    ),
                    optional(
                        "csv",
                        CSV,
                        "The file of recorded requests, relative to this file: arrived_s,input_tokens,output_tokens[,cached_tokens], or as Azure, BurstGPT and Mooncake publish them",
                    ),
                ]
            }
        }
    };
    Variant {
        tag: form.entry(),
        fields,
    }
}

/// Keys of the rate: how many requests come, and how the rate runs over the day.
const RATE: [Field; RATES] = [
    amount(AmountKey::PerDay),
    amount(AmountKey::PerSecond),
    profile(ProfileKey::HourlyMeans),
    profile(ProfileKey::Stepwise),
    profile(ProfileKey::Linear),
    profile(ProfileKey::Csv),
    optional(
        "interpolation",
        Choice(&Interpolation::WORDS),
        "How the rate runs between the rows of the CSV; left out: continuous, each row keeps its number",
    ),
    optional(
        "counts",
        Choice(&CountUnit::WORDS),
        "What the numbers of the CSV are, where its header does not say",
    ),
    optional(
        "column",
        Text,
        "The column of the CSV that counts requests, where several might",
    ),
    optional(
        "time_zone",
        Text,
        "Name of the zone whose clock the CSV's dates without an offset are from, such as \"Europe/Berlin\"; left out: the offset of `start`",
    ),
];

/// What makes sure that a file is the same.
const HASH: Field = optional(
    "hash",
    Text,
    "FNV-1a of the file's bytes, 128 bits: another file is refused",
);

/// Number of the keys of the rate.
const RATES: usize = 10;

/// How gaps between arrivals vary.
const GAP_CV: Field = required(
    "cv",
    number(0.01, 20.0),
    "2.0",
    "Coefficient of variation of the gaps at a constant rate: standard deviation over mean; 1 of a gamma or Weibull law is Poisson",
);

/// How bursts come and go.
const BURSTS: [Field; 3] = [
    required(
        "burst_length",
        A_WHILE,
        "\"30s\"",
        "Mean length of a burst; lengths are exponential",
    ),
    required(
        "burst_every",
        A_WHILE,
        "\"10min\"",
        "Mean time from one burst's beginning to the next's; the time between bursts is exponential",
    ),
    required(
        "burst_factor",
        number(1.0, 1e4),
        "5.0",
        "Rate in a burst over the rate between bursts; the mean over both is the class's rate",
    ),
];

/// The keys of the rate and these.
const fn with_rate<const ALL: usize>(more: &[Field]) -> [Field; ALL] {
    let mut all = [GAP_CV; ALL];
    let mut i = 0;
    while i < ALL {
        all[i] = if i < RATES { RATE[i] } else { more[i - RATES] };
        i += 1;
    }
    all
}

/// A way to say how many requests come.
const fn amount(key: AmountKey) -> Field {
    let kind = match key {
        AmountKey::PerDay => number(0.0, MAX_REQUESTS_PER_DAY),
        AmountKey::PerSecond => number(0.0, MAX_REQUESTS_PER_S),
        AmountKey::Csv => CSV,
    };
    optional(key.entry().word, kind, key.entry().doc)
}

/// A way to say how many sessions begin.
const fn session_amount(key: SessionAmountKey) -> Field {
    let kind = match key {
        SessionAmountKey::PerDay => number(0.0, MAX_REQUESTS_PER_DAY),
        SessionAmountKey::PerSecond => number(0.0, MAX_REQUESTS_PER_S),
    };
    optional(key.entry().word, kind, key.entry().doc)
}

/// A way to say how the rate runs over the day.
const fn profile(key: ProfileKey) -> Field {
    let kind = match key {
        ProfileKey::HourlyMeans => List(&WEIGHT, 24, 24),
        ProfileKey::Stepwise | ProfileKey::Linear => {
            List(&Pair(&TimeOfDay(false), &WEIGHT), 1, 10_000)
        }
        ProfileKey::Csv => CSV,
    };
    optional(key.entry().word, kind, key.entry().doc)
}

const CSV: ValueKind = Either(&Text, &INLINE_CSV);

/// Shape of a CSV written out in place.
pub const INLINE_CSV: ValueKind = Table(&CSV_TEXT);

static CSV_TEXT: TableShape = TableShape {
    name: "csv",
    doc: "A CSV of one's own traffic, written out in place",
    ordered: false,
    fields: &[required(
        "text",
        LongText,
        "\"time,requests\\n00:00,1000\"",
        "The lines of the CSV",
    )],
};
