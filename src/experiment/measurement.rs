//! Measurements of real aggregated servers, and what the simulator says of them.
//!
//! A measurement is a closed loop: so many users, each with one request at a time, lengths fixed or uniform
//! up to their nominal value, and the mean TTFT and TPOT of all requests, the initial burst included. It is
//! played as an ordinary scenario with a mixed pool of one unit, or with a prefill and a decode pool. Users come a
//! millisecond apart, as through an engine's front end.

use std::fmt::Write;

use super::run_knowing;
use crate::catalog::{self, CONSTANTS, NumberFormat, ServingEngine};
use crate::perf::KnownSteps;
use crate::report::summary::DistributionSummary;
use crate::scenario::{Admission, Batching, KeyChange, Role, Scenario, load_str};

/// Accelerators in a node of servers whose scale-up domain ends with the node.
const NODE: u32 = 8;

/// A measured point of a published server, and how it was run.
#[derive(Clone, Debug)]
pub struct Measurement {
    /// Name of the curve; its points differ in concurrency only.
    pub curve: String,
    /// Catalog name of the engine.
    pub engine: String,
    /// Release of the engine; empty: not known, the newest is taken.
    pub release: String,
    /// Catalog name of the accelerator.
    pub gpu: String,
    /// Catalog name of the model.
    pub model: String,
    /// Number format of dense products.
    pub gemm: NumberFormat,
    /// Number format of the routed experts' weights.
    pub experts: NumberFormat,
    /// Number format of the KV cache.
    pub kv: NumberFormat,
    /// Accelerators of the server.
    pub gpus: u32,
    /// Groups of accelerators with attention of their own.
    pub attention_data: u32,
    /// Accelerators that hold different experts.
    pub expert_parallel: u32,
    /// Nominal input tokens.
    pub input: u32,
    /// Nominal output tokens.
    pub output: u32,
    /// Least length as a part of the nominal one, from which lengths are uniform; 1: fixed.
    pub least: f64,
    /// Users that each have one request at a time.
    pub concurrency: u32,
    /// Requests of each user.
    pub rounds: u32,
    /// Token budget of a step.
    pub max_batch_tokens: u32,
    /// How the server made batches, where it was not as its engine does by default.
    pub rules: ServerRules,
    /// Servers of prefill and decode apart; `None`: one server does both.
    pub separate: Option<SeparateServers>,
    /// Whether nothing may be fitted to the curve.
    pub held_out: bool,
    /// Mean time to first token, in seconds; `None`: not measured.
    pub ttft_s: Option<f64>,
    /// Mean time per output token, in seconds; `None`: not measured.
    pub tpot_s: Option<f64>,
    /// Requests a second that came, whatever was answered; `None`: users who wait, as many as `concurrency` says.
    pub rate_per_s: Option<f64>,
    /// Coefficient of variation of the gaps between these, of a gamma law; 1: a Poisson process, 0: even.
    pub gap_cv: f64,
    /// The statistic of the latencies that was measured.
    pub statistic: LatencyStatistic,
    /// The deployment that was measured, as a scenario; `None`: one server, as the other fields say.
    pub server: Option<Box<Scenario>>,
    /// Why the measurement's conditions cannot be what it says; empty: they can.
    pub unusable: &'static str,
}

/// How a server that does both made batches: keys of a mixed pool. `None`: as its engine does by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerRules {
    /// What shares a step.
    pub batching: Option<Batching>,
    /// When a waiting request may join.
    pub admission: Option<Admission>,
    /// Whether steps are planned while the one before runs.
    pub look_ahead: Option<bool>,
    /// Number of steps of which one takes in newcomers.
    pub receive_every: Option<u32>,
    /// Most steps in which prompts wait for a fuller batch, and the tokens of such a batch.
    pub batch_wait: Option<(u32, u32)>,
}

impl ServerRules {
    /// The rules as lines of a pool's table.
    fn text(&self) -> String {
        let word = |key: &str, word: &str| format!("{key} = \"{word}\"\n");
        let number = |key: &str, number: u32| format!("{key} = {number}\n");
        let lines = [
            self.batching.map(|b| word("batching", b.word())),
            self.admission.map(|a| word("admission", a.word())),
            self.look_ahead.map(|yes| format!("look_ahead = {yes}\n")),
            self.receive_every.map(|n| number("receive_every", n)),
            self.batch_wait.map(|(n, _)| number("batch_wait_steps", n)),
            self.batch_wait.map(|(_, n)| number("batch_wait_tokens", n)),
        ];
        lines.into_iter().flatten().collect()
    }
}

/// A statistic of the latencies of all requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LatencyStatistic {
    /// Mean of all requests.
    #[default]
    Mean,
    /// Median of all requests.
    Median,
}

/// Least time over which requests at a given rate are played, in seconds.
const LEAST_S: f64 = 30.0;

/// Servers of prefill and of decode.
#[derive(Clone, Copy, Debug)]
pub struct SeparateServers {
    /// Servers that compute prompts.
    pub prefill: ServerShape,
    /// Servers that generate.
    pub decode: ServerShape,
}

/// Equal servers of one role.
#[derive(Clone, Copy, Debug)]
pub struct ServerShape {
    /// Number of the servers.
    pub units: u32,
    /// Accelerators of a server.
    pub gpus: u32,
    /// Groups of accelerators with attention of their own.
    pub attention_data: u32,
    /// Accelerators that hold different experts.
    pub expert_parallel: u32,
}

/// Hash FNV-1a of a text, 64 bits.
pub fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |h, byte| {
        (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// What the simulator says of a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Prediction {
    /// Mean time to first token, in seconds.
    pub ttft_s: f64,
    /// Mean time per output token, in seconds.
    pub tpot_s: f64,
}

impl Measurement {
    /// The text of the scenario that plays the measurement.
    pub fn text(&self) -> String {
        let length = |nominal: u32| {
            if self.least >= 1.0 {
                format!("{{ kind = \"constant\", value = {nominal} }}")
            } else {
                let low = f64::from(nominal) * self.least;
                format!("{{ kind = \"uniform\", low = {low:.1}, high = {nominal} }}")
            }
        };
        let pools = match &self.separate {
            None => self.one_pool(),
            Some(servers) => self.two_pools(servers),
        };
        let mut text = String::new();
        let _ = write!(
            text,
            "name = \"measurement\"\nstart = 2025-01-01T00:00:00Z\nduration = \"48h\"\nseed = 7\n\
             model = \"{}\"\n{pools}\
             [performance]\nkind = \"roofline\"\nengine = \"{}\"\n\
             precision = {{ gemm = \"{}\", experts = \"{}\", kv = \"{}\" }}\n\
             [[class]]\nname = \"users\"\ninput = {}\noutput = {}\n\
             arrivals = {{ kind = \"closed-loop\", users = {}, requests = {}, ramp_up = \"{}ms\", \
             think_time = \"1ms\" }}\n",
            self.model,
            self.engine_and_release(),
            self.gemm.word(),
            self.experts.word(),
            self.kv.word(),
            length(self.input),
            length(self.output),
            self.concurrency,
            self.concurrency * self.rounds,
            self.concurrency,
        );
        text
    }

    /// The node and the pool of a server that does both.
    fn one_pool(&self) -> String {
        format!(
            "node = {{ gpu = \"{}\", gpus = {}, price_per_gpu_hour = 0.0 }}\n\
             [pools.mixed]\nnodes_per_unit = 1\nunits = 1\n\
             parallelism = {{ attention_data = {}, experts = {} }}\n\
             max_batch_tokens = {}\nmax_batch_requests = {}\n{}",
            self.gpu,
            self.gpus,
            self.attention_data,
            self.expert_parallel,
            self.max_batch_tokens,
            self.concurrency.max(1),
            self.rules.text(),
        )
    }

    /// The nodes and the pools of prefill and decode apart.
    fn two_pools(&self, servers: &SeparateServers) -> String {
        let spans = catalog::gpu(&self.gpu)
            .and_then(|gpu| gpu.compute)
            .filter(|compute| compute.scale_up_spans_nodes);
        let node = spans.map_or(NODE, |compute| compute.scale_up_gpus);
        let pool = |role: Role, shape: &ServerShape| {
            let size = if shape.gpus < node {
                format!("gpus_per_unit = {}", shape.gpus)
            } else {
                format!("nodes_per_unit = {}", shape.gpus / node)
            };
            format!(
                "[pools.{}]\n{size}\nunits = {}\nparallelism = {{ attention_data = {}, experts = {} }}\n",
                role.word(),
                shape.units,
                shape.attention_data,
                shape.expert_parallel
            )
        };
        format!(
            "first_token = \"prefill\"\nnode = {{ gpu = \"{}\", gpus = {node}, price_per_gpu_hour = 0.0 }}\n\
             {}max_batch_tokens = {}\n{}max_batch_requests = {}\n",
            self.gpu,
            pool(Role::Prefill, &servers.prefill),
            self.max_batch_tokens,
            pool(Role::Decode, &servers.decode),
            self.concurrency.div_ceil(servers.decode.attention_data),
        )
    }

    /// The engine as a scenario names it: with its release, where the catalog has that.
    pub fn engine_and_release(&self) -> String {
        let whole = format!("{}@{}", self.engine, self.release);
        match catalog::engine(&whole, &self.gpu) {
            Some(_) => whole,
            None => self.engine.clone(),
        }
    }

    /// The deployment under the load of the measurement.
    fn on(&self, server: &Scenario) -> Result<Scenario, String> {
        let length = |tokens: u32| format!("{{ kind = \"constant\", value = {tokens} }}");
        let users = self.concurrency.max(1);
        let (arrivals, duration) = match self.rate_per_s {
            None => (
                format!(
                    "{{ kind = \"closed-loop\", users = {users}, requests = {}, ramp_up = \"{users}ms\", \
                     think_time = \"1ms\" }}",
                    users.saturating_mul(self.rounds)
                ),
                "48h".to_string(),
            ),
            Some(rate) => {
                let requests = f64::from(users) * f64::from(self.rounds);
                let seconds = libm::ceil((requests / rate).max(LEAST_S));
                let law = match self.gap_cv {
                    0.0 => "kind = \"deterministic\"".to_string(),
                    1.0 => "kind = \"poisson\"".to_string(),
                    cv => format!("kind = \"gamma\", cv = {cv}"),
                };
                let arrivals = format!("{{ {law}, requests_per_s = {rate} }}");
                (arrivals, format!("{seconds}s"))
            }
        };
        let class = format!(
            "class=[{{ name = \"bench\", arrivals = {arrivals}, input = {}, output = {} }}]",
            length(self.input),
            length(self.output)
        );
        let set = [
            class,
            format!("duration=\"{duration}\""),
            "warm_up=\"0s\"".to_string(),
            "published=[]".to_string(),
            "seed=7".to_string(),
        ];
        let changes = set.map(|text| KeyChange::written("the measurement's load", text));
        server.with(&changes).map_err(|m| m.render(false))
    }

    /// The scenario that plays the measurement, resolved.
    ///
    /// # Errors
    /// Where it names what the catalog does not have.
    pub fn scenario(&self) -> Result<Scenario, String> {
        if let Some(server) = &self.server {
            return self.on(server);
        }
        load_str("measurement", &self.text(), &[]).map_err(|m| m.render(false))
    }

    /// Plays the measurement, with another engine than the catalog's if one is given.
    ///
    /// # Errors
    /// Where the scenario cannot be read or run.
    pub fn predict(
        &self,
        engine: Option<&ServingEngine>,
        known: &KnownSteps,
    ) -> Result<Prediction, String> {
        self.predict_in(&self.scenario()?, engine, known)
    }

    /// Plays a scenario of the measurement that is at hand.
    ///
    /// # Errors
    /// Where the scenario cannot be run.
    pub fn predict_in(
        &self,
        scenario: &Scenario,
        engine: Option<&ServingEngine>,
        known: &KnownSteps,
    ) -> Result<Prediction, String> {
        let constants = engine.into_iter().flat_map(|engine| {
            CONSTANTS.iter().map(|(constant, info)| {
                let key = format!("performance.constants.{}", info.key);
                KeyChange::set(key, engine.get(*constant))
            })
        });
        let changed = scenario.with(&constants.collect::<Vec<_>>());
        let scenario = changed.map_err(|m| m.render(false))?;
        let summary = run_knowing(&scenario, 1, known, &mut |_, _| true);
        let summary = summary.map_err(|e| e.to_string())?;
        let of = |latency: &DistributionSummary| match self.statistic {
            LatencyStatistic::Mean => latency.mean.unwrap_or(f64::NAN),
            LatencyStatistic::Median => latency.p50.unwrap_or(f64::NAN),
        };
        Ok(Prediction {
            ttft_s: of(&summary.latency.ttft_s),
            tpot_s: of(&summary.latency.tpot_s),
        })
    }

    /// Output tokens per second and accelerator that a TTFT and a TPOT mean in a closed loop.
    pub fn throughput(&self, ttft_s: f64, tpot_s: f64) -> f64 {
        let output = f64::from(self.output) * 0.5 * (1.0 + self.least);
        let request = ttft_s + tpot_s * (output - 1.0);
        let of = |shape: ServerShape| shape.units * shape.gpus;
        let gpus = match &self.separate {
            None => self.gpus,
            Some(servers) => of(servers.prefill) + of(servers.decode),
        };
        f64::from(self.concurrency) * output / request / f64::from(gpus)
    }
}
