//! The words of a scenario file that stand for one of a few things, one table for each.

use crate::words::{Word, each_of, words};

words! {
    /// The role of a pool, which is its name in the file.
    pub enum Role {
        Prefill = "prefill": "Units that compute prompts; a scenario has these or mixed ones",
        Decode = "decode": "Units that generate tokens after prefill; left out only when no class emits more than one",
        Mixed = "mixed": "Units that compute prompts and generate tokens in the same steps (aggregated serving)",
    }
}

words! {
    /// When a rank takes a request that will generate tokens (S9, S17).
    #[derive(Default)]
    pub enum Admission {
        #[default]
        Current = "current": "A request joins when the tokens that it holds now fit",
        Reserve = "reserve": "A request joins when all that it will ever hold fits (the server knows every output's length)",
    }
}

words! {
    /// Which requests share a step of a mixed pool (S17).
    #[derive(Default)]
    pub enum Batching {
        #[default]
        Chunked = "chunked": "Requests that decode, and chunks of prompts in what is left of the token budget",
        PrefillFirst = "prefill-first": "Prompts alone as long as there are any, otherwise the requests that decode",
        Whole = "whole": "Requests that decode, and prompts that fit as a whole into what is left",
    }
}

words! {
    /// How requests' tokens are drawn from the logits.
    #[derive(Default)]
    pub enum Sampling {
        #[default]
        Plain = "plain": "Greedily, or from all words: temperature alone",
        TopP = "top-p": "By top-p or top-k, for which engines look through the whole vocabulary",
    }
}

words! {
    /// How requests are spread over the ranks of a unit (S7, S9).
    pub enum RankBalance {
        Tokens = "tokens": "To the rank with the fewest tokens in the batch",
        Kv = "kv": "To the rank with the least KV",
        Time = "time": "To the rank whose own part of the coming step is least",
        Requests = "requests": "To the rank with the fewest requests",
    }
}

words! {
    /// Where the client gets a request's first token (S8).
    pub enum FirstToken {
        Decode = "decode": "From the first decode step, after the transfer: vLLM with NIXL, llm-d and Dynamo compute the prompt's last token again there; SGLang sends the token with the KV and has it a step earlier",
        Prefill = "prefill": "As the prompt's last step ends, while its KV is on the way",
    }
}

words! {
    /// How a unit is chosen (S6).
    pub enum Router {
        RoundRobin = "round-robin": "The next serving unit in turn",
        LeastLoaded = "least-loaded": "The unit with the fewest tokens to compute, assigned and not finished",
        LeastKv = "least-kv": "The unit with the fewest KV tokens: resident, queued and in transfer",
        LeastTime = "least-time": "The unit whose assigned work takes the least time",
        PowerOfTwo = "power-of-two": "Of two units drawn at random the one with fewer tokens to compute, or where tokens are generated with less KV",
        PrefixCost = "prefix-cost": "The unit with the least to compute and to hold, what it has of the prompt taken off (Dynamo's KV router)",
        PrefixScore = "prefix-score": "The unit with the best score of prompt found, queue and KV, weighted 3, 2, 2 (llm-d's scorers)",
        PrefixBalance = "prefix-balance": "The unit that has most of the prompt, while loads are balanced (SGLang's cache-aware router)",
        SessionSticky = "session-sticky": "The same unit for all turns of a session, by a hash",
    }
}

words! {
    /// Whether two micro-batches hide each other's communication.
    pub enum Overlap {
        Auto = "auto": "Two micro-batches hide each other's communication where that is quicker",
        On = "on": "Always",
        Off = "off": "Never",
    }
}

words! {
    /// Whether the scenario was built from a published figure.
    pub enum PublishedKind {
        Input = "input": "The scenario was built from it",
        Predicted = "predicted": "The simulation computes it from other things",
    }
}

words! {
    /// What makes requests of a class arrive.
    pub enum ArrivalForm {
        Poisson = "poisson": "Independent arrivals",
        Deterministic = "deterministic": "One whenever the cumulative rate reaches the next whole number",
        Gamma = "gamma": "Independent gaps of a gamma law, of which the rate makes times",
        Weibull = "weibull": "Independent gaps of a Weibull law, whose long ones are longer than a gamma law's of the same `cv`",
        Bursts = "bursts": "Independent arrivals whose rate jumps between two levels at random times (Markov-modulated)",
        Clients = "clients": "Requests drawn from the recorded laws of a service's clients, each by itself (ServeGen); the class then has no `input` and `output`",
        ClosedLoop = "closed-loop": "Users who issue a request, wait for its end, think, and issue the next",
        Sessions = "sessions": "Conversations: they begin as independent arrivals do, and each turn brings back what was said before; needs a prefix cache",
        Trace = "trace": "As recorded; the class then has no `input` and `output`",
    }
}

words! {
    /// What becomes of recorded requests without an output: they failed (S5).
    #[derive(Default)]
    pub enum FailedRows {
        #[default]
        LeftOut = "left-out": "They are counted and not played",
        Prompt = "prompt": "Their prompts are played, with one token of output",
    }
}

words! {
    /// A key that says how many requests come.
    pub enum AmountKey {
        PerDay = "requests_per_day": "Requests in 24 hours; exactly one of this, `requests_per_s` and `csv`",
        PerSecond = "requests_per_s": "Mean rate over 24 hours",
        Csv = "csv": "A file of one's own traffic, relative to this file: `time,requests[,input_mean,output_mean,hit_rate]`, or what Prometheus and Grafana export",
    }
}

words! {
    /// A key that says how many sessions begin.
    pub enum SessionAmountKey {
        PerDay = "sessions_per_day": "Sessions that begin in 24 hours; this or `sessions_per_s`",
        PerSecond = "sessions_per_s": "Mean rate over 24 hours at which sessions begin",
    }
}

words! {
    /// What becomes of answers in a session.
    pub enum AnswersIn {
        Kept = "kept": "They are part of the next turn's input",
        Dropped = "dropped": "The next turn's input has none of them, as where reasoning is thrown away; what of them is wanted again is part of `next_input`",
    }
}

words! {
    /// A key that says how the rate runs over the day.
    pub enum ProfileKey {
        HourlyMeans = "hourly_means": "Relative means of 24 hours from 00:00; the rate between is continuous and keeps each mean",
        Stepwise = "stepwise": "Pairs of a time and a relative rate that holds until the next",
        Linear = "linear": "Pairs of a time and a relative rate, with straight lines between",
        Csv = "csv": "A file of one's own traffic, relative to this file: `time,requests[,input_mean,output_mean,hit_rate]`, or what Prometheus and Grafana export",
    }
}

words! {
    /// How the time varies that users of a closed loop think.
    pub enum ThinkLaw {
        Constant = "constant": "Always the same time",
        Exponential = "exponential": "An exponential time",
    }
}

words! {
    /// How the rate runs between the rows of a CSV of traffic.
    pub enum Interpolation {
        MeanPreserving = "mean-preserving": "Continuous, and each row keeps its number of requests; refused where the rate would be negative",
        Stepwise = "stepwise": "Constant within each row",
        Linear = "linear": "Straight lines between the middles of the rows; keeps the day's number only",
    }
}

words! {
    /// The form of a law of lengths.
    pub enum LengthForm {
        Constant = "constant": "Always the same",
        Uniform = "uniform": "Evenly between two values",
        Exponential = "exponential": "Memoryless",
        Lognormal = "lognormal": "The exponential of a normal law, by its own mean and coefficient of variation",
        Gamma = "gamma": "Gamma, by mean and coefficient of variation",
        Erlang = "erlang": "The sum of k equal exponential stages; cv = 1/sqrt(k)",
        Hyperexponential = "hyperexponential": "Two exponential phases with balanced means",
        Empirical = "empirical": "Recorded values with weights",
        Mixture = "mixture": "One of several laws, chosen with a probability proportional to its weight",
    }
}

words! {
    /// A model of step times.
    #[derive(Default)]
    pub enum StepTimeForm {
        Roofline = "roofline": "From the model's architecture, the accelerator's data sheet and an engine's constants",
        Table = "table": "Interpolated from a profile of measured parts of a step",
        #[default]
        Linear = "linear": "Constant coefficients for what a rank holds; the busiest rank sets the step",
    }
}

words! {
    /// What decides how much of the input is found in the cache.
    pub enum CacheForm {
        Fixed = "fixed": "A fixed part of the input tokens hits, in blocks of 64; hits share no memory",
        Prefix = "prefix": "Each rank keeps the KV of prompts in the memory that running requests leave, least recently used first out; what hits follows from what requests share",
    }
}

words! {
    /// The form of a law of a number that is not known exactly.
    pub enum RangeForm {
        Uniform = "uniform": "Anywhere between, evenly",
        LogUniform = "log-uniform": "Anywhere between, its logarithm evenly",
        Triangular = "triangular": "Likeliest at `mode`, straight down to both ends",
        Normal = "normal": "Normal with `mean` and `sd`, cut at both ends",
        Lognormal = "lognormal": "Lognormal with `mean` and `cv`, cut at both ends",
    }
}

words! {
    /// The goal of a plan: what it makes least or most.
    pub enum Goal {
        Cost = "cost": "The least cost of nodes",
        Profit = "profit": "The most revenue less cost",
        Goodput = "goodput": "The most requests per second that meet their class's own targets",
    }
}

words! {
    /// The word in the place of a duration for the length of what is recorded.
    pub enum OwnLength {
        Trace = "trace": "From the beginning to the first whole second after the last recorded request, less the warm-up",
    }
}

impl Role {
    /// The ordinary measure of a unit's load: prompts are work to do, and where tokens are generated KV is held.
    const fn measure(self) -> LoadMeasure {
        match self {
            Self::Prefill => LoadMeasure::Tokens,
            Self::Decode | Self::Mixed => LoadMeasure::Kv,
        }
    }
}

impl LengthForm {
    /// Whether the law is made of other laws.
    pub const fn is_mixture(self) -> bool {
        matches!(self, Self::Mixture)
    }
}

/// Measure of a unit's load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadMeasure {
    /// Tokens to compute.
    Tokens,
    /// KV tokens.
    Kv,
    /// Time for what is assigned.
    Time,
    /// Tokens to compute and KV tokens, in 1/1024.
    TokensAndKv,
}

impl Router {
    /// What a pool of a role tells the router of a unit; one that reads no loads is told the ordinary measure.
    pub const fn measure(self, role: Role) -> LoadMeasure {
        match self {
            Self::LeastLoaded => LoadMeasure::Tokens,
            Self::LeastKv => LoadMeasure::Kv,
            Self::LeastTime => LoadMeasure::Time,
            Self::PrefixCost => LoadMeasure::TokensAndKv,
            Self::RoundRobin
            | Self::PowerOfTwo
            | Self::PrefixScore
            | Self::PrefixBalance
            | Self::SessionSticky => role.measure(),
        }
    }

    /// Whether chance has a part in what it chooses.
    pub const fn is_drawn(self) -> bool {
        match self {
            Self::PowerOfTwo => true,
            Self::RoundRobin
            | Self::LeastLoaded
            | Self::LeastKv
            | Self::LeastTime
            | Self::PrefixCost
            | Self::PrefixScore
            | Self::PrefixBalance
            | Self::SessionSticky => false,
        }
    }

    /// Whether the router asks what units' caches have of a prompt, or whose turn a request is.
    pub const fn asks_contents(self) -> bool {
        match self {
            Self::PrefixCost | Self::PrefixScore | Self::PrefixBalance | Self::SessionSticky => {
                true
            }
            Self::RoundRobin
            | Self::LeastLoaded
            | Self::LeastKv
            | Self::LeastTime
            | Self::PowerOfTwo => false,
        }
    }

    /// Whether pools of a role may have the router: by tokens to compute where there are some, by KV where it stays.
    pub const fn serves(self, role: Role) -> bool {
        match self {
            Self::RoundRobin | Self::LeastTime | Self::PowerOfTwo => true,
            Self::LeastLoaded
            | Self::PrefixCost
            | Self::PrefixScore
            | Self::PrefixBalance
            | Self::SessionSticky => matches!(role, Role::Prefill | Role::Mixed),
            Self::LeastKv => matches!(role, Role::Decode | Role::Mixed),
        }
    }

    /// The routers that pools of a role may have.
    pub const fn words_of(role: Role) -> &'static [Word] {
        match role {
            Role::Prefill => each_of!(Router as Word: r where r.serves(Role::Prefill) => r.entry()),
            Role::Decode => each_of!(Router as Word: r where r.serves(Role::Decode) => r.entry()),
            Role::Mixed => each_of!(Router as Word: r where r.serves(Role::Mixed) => r.entry()),
        }
    }
}

impl RankBalance {
    /// Whether pools of a role may have the balance: prompts are dealt by tokens or time, residents by what they hold.
    pub const fn serves(self, role: Role) -> bool {
        match self {
            Self::Tokens => matches!(role, Role::Prefill),
            Self::Time => true,
            Self::Kv | Self::Requests => matches!(role, Role::Decode | Role::Mixed),
        }
    }

    /// The balances that pools of a role may have.
    pub const fn words_of(role: Role) -> &'static [Word] {
        match role {
            Role::Prefill => {
                each_of!(RankBalance as Word: b where b.serves(Role::Prefill) => b.entry())
            }
            Role::Decode => {
                each_of!(RankBalance as Word: b where b.serves(Role::Decode) => b.entry())
            }
            Role::Mixed => {
                each_of!(RankBalance as Word: b where b.serves(Role::Mixed) => b.entry())
            }
        }
    }
}
