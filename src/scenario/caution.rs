//! What a scenario may say, but whoever says it should know.

use super::{ArrivalKind, Batching, Class, KvCache, MAX_LENGTH, Pool, Role, Scenario};

impl Scenario {
    /// Cautions, each a sentence: what is said, what comes of it, what to say instead.
    pub fn cautions(&self) -> Vec<String> {
        let mut found: Vec<String> = self.kv_is_stated().into_iter().collect();
        found.extend(self.pools.iter().filter_map(|pool| self.starves(pool)));
        found.extend(self.recordings());
        found.extend(self.of_traffic());
        found.extend(self.kv_cache_is_simple());
        found.extend(self.loans());
        found
    }

    /// Cautions on what is borrowed: constants of step times, and the price.
    pub fn loans(&self) -> Vec<String> {
        let both = [self.step_basis.caution(), self.node.price_caution()];
        both.into_iter().flatten().collect()
    }

    /// What was assumed of files of traffic.
    fn of_traffic(&self) -> impl Iterator<Item = String> {
        self.classes.iter().flat_map(|class| {
            let said = class.arrivals.cautions.iter();
            said.map(move |caution| format!("class {}: {caution}", class.name))
        })
    }

    /// A caution where KV is stated beside an architecture from which another follows.
    fn kv_is_stated(&self) -> Option<String> {
        let model = &self.model;
        let derived = model.kv_by_architecture()?;
        model.kv_is_stated().then(|| {
            format!(
                "a token's KV is the {} bytes of model.kv_bytes_per_token in pools, on links and in host memory alike, \
                 whatever performance.precision.kv says; the architecture has {derived} in BF16: leave the key out for those",
                model.kv_bytes_per_token
            )
        })
    }

    /// A caution where hits share no memory although servers would share it, or where a cache's blocks are assumed.
    fn kv_cache_is_simple(&self) -> Option<String> {
        let is_mixed = |pool: &Pool| pool.role == Role::Mixed;
        match self.kv_cache {
            KvCache::Prefix(blocks) if blocks.assumed => Some(format!(
                "the prefix cache keeps blocks of {} tokens (assumed: nothing is known of the engine): state \
                 kv_cache.block_tokens",
                blocks.tokens
            )),
            KvCache::Fixed if self.pools.iter().any(is_mixed) => {
                let class = self.classes.iter().find(|class| class.states_hits())?;
                Some(format!(
                    "hits of class {} share no memory: with kv_cache.kind = \"fixed\" each request holds its whole context. \
                     Servers hold a beginning that prompts share once: say kv_cache = {{ kind = \"prefix\" }}, and what is \
                     shared as class.{}.shared_prompts = {{ tokens = … }} instead of the rate",
                    class.name, class.name
                ))
            }
            KvCache::Prefix(_) | KvCache::Fixed => None,
        }
    }

    /// A caution where a mixed pool takes prompts whole and has no room for them while others decode (S17).
    fn starves(&self, pool: &Pool) -> Option<String> {
        if pool.role != Role::Mixed || pool.batching != Batching::Whole {
            return None;
        }
        let longest = self.classes.iter().map(Class::longest_input).max()?;
        let (budget, each) = (
            u64::from(pool.max_batch_tokens),
            1 + u64::from(self.mtp.drafts),
        );
        let decode = each * u64::from(pool.max_batch_requests.saturating_sub(1));
        let enough = u64::from(longest).saturating_add(decode);
        if budget >= enough {
            return None;
        }
        let up_to = if longest >= MAX_LENGTH {
            "of any length (their law has no `max`)".to_string()
        } else {
            format!("of up to {longest} tokens")
        };
        let why = if u64::from(longest) > budget {
            "one that is longer than the budget joins only while nobody decodes, and may wait for ever".to_string()
        } else {
            format!(
                "the longest waits while more than {} requests decode",
                (budget - u64::from(longest)) / each
            )
        };
        let help = if longest >= MAX_LENGTH {
            "state a `max`, or use batching = \"chunked\"".to_string()
        } else {
            format!("{enough} tokens are enough in any case, or use batching = \"chunked\"")
        };
        Some(format!(
            "pool {}: batching = \"whole\" with max_batch_tokens = {budget} and prompts {up_to}: {why}; {help}",
            pool.name
        ))
    }
}

impl Class {
    /// Whether the class states hits, as a rate or recorded ones.
    fn states_hits(&self) -> bool {
        let recorded = match &self.arrivals.kind {
            ArrivalKind::Trace(play) => play.facts.cached_tokens > 0,
            ArrivalKind::Poisson
            | ArrivalKind::Deterministic
            | ArrivalKind::Renewal(_)
            | ArrivalKind::Bursts(_)
            | ArrivalKind::Clients(_)
            | ArrivalKind::ClosedLoop(_)
            | ArrivalKind::Sessions(_) => false,
        };
        recorded || self.arrivals.periods.iter().any(|p| p.hit_rate > 0.0)
    }

    /// The longest prompt that the class can have, in tokens.
    pub fn longest_input(&self) -> u32 {
        if let ArrivalKind::Trace(play) = &self.arrivals.kind {
            return play.facts.longest_input();
        }
        if let ArrivalKind::Sessions(_) = self.arrivals.kind {
            return MAX_LENGTH;
        }
        let scales = self.arrivals.periods.iter().map(|p| p.input_scale);
        self.input.greatest(scales.fold(0.0, f64::max))
    }

    /// The longest request that the class can have, input and output together, in tokens; `None`: it has no end.
    pub fn longest(&self) -> Option<u64> {
        if let ArrivalKind::Trace(play) = &self.arrivals.kind {
            return (play.facts.count > 0).then_some(play.facts.longest);
        }
        let scales = self.arrivals.periods.iter().map(|p| p.output_scale);
        let output = self.output.greatest(scales.fold(0.0, f64::max));
        let input = self.longest_input();
        (input < MAX_LENGTH && output < MAX_LENGTH).then(|| u64::from(input) + u64::from(output))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Scenario, load_str};

    fn scenario(pool: &str, input: &str, model: &str) -> Scenario {
        let text = format!(
            "name = 'whole'\nstart = 2026-01-05T12:00:00Z\nduration = '1min'\nmodel = {model}\n\
             node = {{ gpu = 'h100', gpus = 1, price_per_gpu_hour = 2.0 }}\n\
             [pools.mixed]\nnodes_per_unit = 1\nunits = 1\n{pool}\n\
             [performance]\nkind = 'roofline'\nengine = 'vllm'\n\
             [[class]]\nname = 'chat'\narrivals = {{ kind = 'poisson', requests_per_s = 1.0 }}\n\
             input = {input}\noutput = {{ kind = 'constant', value = 200 }}\n"
        );
        load_str("whole", &text, &[]).unwrap_or_else(|m| panic!("{}", m.render(false)))
    }

    const LLAMA: &str = "'llama-3.1-8b'";

    #[test]
    fn prompts_that_may_starve_are_named() {
        let pool = |budget: u32, batching: &str| {
            format!("max_batch_tokens = {budget}\nmax_batch_requests = 64\nbatching = '{batching}'")
        };
        let input = "{ kind = 'constant', value = 5000 }";
        let said =
            |budget, batching: &str| scenario(&pool(budget, batching), input, LLAMA).cautions();
        // longer than the budget; room beside 37 who decode; room beside 63; in chunks
        let starved = said(4096, "whole");
        assert!(
            starved.len() == 1 && starved[0].contains("for ever"),
            "{starved:?}"
        );
        let late = said(5037, "whole");
        assert!(
            late.len() == 1 && late[0].contains("more than 37 requests"),
            "{late:?}"
        );
        assert!(late[0].contains("5063 tokens are enough"), "{late:?}");
        assert!(said(5063, "whole").is_empty());
        assert!(said(4096, "chunked").is_empty());
        let tail = "{ kind = 'exponential', mean = 100 }";
        let tail = scenario(&pool(4096, "whole"), tail, LLAMA).cautions();
        assert!(tail.len() == 1 && tail[0].contains("no `max`"), "{tail:?}");
    }

    #[test]
    fn kv_that_is_stated_beside_an_architecture_is_said() {
        let pool = "max_batch_tokens = 4096\nmax_batch_requests = 64";
        let input = "{ kind = 'constant', value = 100 }";
        let said = |bytes: u32| {
            let model = format!("{{ base = 'llama-3.1-8b', kv_bytes_per_token = {bytes} }}");
            scenario(pool, input, &model)
        };
        let same = said(131_072);
        assert!(same.cautions().is_empty());
        let other = said(1000);
        assert_eq!(other.kv.bytes_per_token(), 1000);
        let cautions = other.cautions();
        assert!(
            cautions.len() == 1 && cautions[0].contains("131072"),
            "{cautions:?}"
        );
    }

    /// A model of one's own says no KV, and what it says not of its layers is not its base's.
    #[test]
    fn kv_of_a_model_of_ones_own_follows_too() {
        let pool = "max_batch_tokens = 4096\nmax_batch_requests = 64";
        let input = "{ kind = 'constant', value = 100 }";
        let model = "{ name = 'own', layers = 10, hidden = 1024, ffn = 4096, vocabulary = 32000, context = 8192, \
                     grouped = { heads = 16, kv_heads = 4, head = 64 } }";
        let own = scenario(pool, input, model);
        assert_eq!(own.kv.bytes_per_token(), 10 * 2 * 4 * 64 * 2);
        assert_eq!(own.model.context, Some(8192));
        assert!(own.cautions().is_empty());
        let dense = own.model.architecture.map(|a| a.dense_layers);
        assert_eq!(dense, Some(10));
    }
}
