//! How many weights an architecture has. What is left out: norms, biases and gates of single numbers (0.2 %),
//! draft modules, and whatever sees or hears.

use super::{Architecture, Attention};

/// Numbers of weights of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// All weights of the model.
    pub all: f64,
    /// Weights that a token passes through: those of the chosen experts, and one of the tables of words.
    pub active: f64,
}

impl Architecture {
    /// Weights of attention in one layer over `tensor` accelerators, in numbers: those that tensor parallelism
    /// divides, and those that every accelerator holds.
    pub fn attention_weights(&self, tensor: f64, in_window: bool) -> [f64; 2] {
        let hidden = f64::from(self.hidden);
        match self.attention {
            Attention::Latent {
                heads,
                query_rank,
                kv_rank,
                nope,
                rope,
                value,
            } => {
                let [heads, query, latent, nope, rope, value] =
                    [heads, query_rank, kv_rank, nope, rope, value].map(f64::from);
                let divided = query * heads * (nope + rope)
                    + latent * heads * (nope + value)
                    + heads * value * hidden;
                let indexer = self.sparse.map_or(0.0, |s| {
                    let part = f64::from(s.layers) / f64::from(self.layers.max(1));
                    part * s.weights(hidden, query)
                });
                [divided, hidden * (query + latent + rope) + indexer]
            }
            Attention::Grouped {
                heads,
                kv_heads,
                head,
                global_kv_heads,
                global_head,
                gate,
                ..
            } => {
                let (kv_heads, head) = if in_window {
                    (kv_heads, head)
                } else {
                    (global_kv_heads, global_head)
                };
                // KV heads that do not go round are held more than once
                let kept = f64::from(kv_heads).max(tensor);
                let gates = if gate { f64::from(heads) } else { 0.0 };
                let widths = 2.0 * (f64::from(heads) + kept) + gates;
                [hidden * f64::from(head) * widths, 0.0]
            }
        }
    }

    /// All weights, and those that a token passes through.
    pub fn parameters(&self) -> Parameters {
        let hidden = f64::from(self.hidden);
        let kinds = self.layer_kinds();
        let attention = |in_window| self.attention_weights(1.0, in_window).iter().sum::<f64>();
        let linear = self.linear.map_or(0.0, |l| l.weights(self.hidden));
        let mixing = f64::from(kinds.full) * attention(false)
            + f64::from(kinds.window) * attention(true)
            + f64::from(kinds.linear) * linear;
        let dense = f64::from(self.dense_layers) * 3.0 * hidden * f64::from(self.ffn);
        let table = f64::from(self.vocabulary) * hidden;
        let tables = if self.tied_embeddings { 1.0 } else { 2.0 };
        let [all, active] = self.experts.map_or([0.0; 2], |e| {
            let layers = f64::from(self.layers) - f64::from(self.dense_layers);
            let of = |experts: u32| {
                let networks = 3.0 * f64::from(experts + e.shared) * f64::from(e.ffn);
                layers * hidden * (networks + f64::from(e.routed))
            };
            [of(e.routed), of(e.top_k)]
        });
        let rest = mixing + dense;
        Parameters {
            all: rest + tables * table + all,
            active: rest + table + active,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{model, models};

    /// What model cards and reports say, in 10^9 weights: all, and active where it is said. Cards count as they
    /// like: with or without tables of words, draft modules and encoders of images, and round.
    #[test]
    fn models_are_as_large_as_their_cards_say() {
        let cards = [
            ("deepseek-v3", 671.0, Some(37.0)),
            ("deepseek-r1", 671.0, Some(37.0)),
            ("deepseek-v3.2", 671.0, Some(37.0)),
            ("kimi-k2", 1_026.0, Some(32.0)),
            ("glm-5", 744.0, Some(40.0)),
            ("qwen3.5-397b-a17b", 397.0, Some(17.0)),
            ("kimi-k2.5", 1_026.0, Some(32.0)),
            ("qwen3-235b-a22b", 235.1, Some(22.0)),
            ("qwen3-30b-a3b", 30.5, Some(3.3)),
            ("qwen3-32b", 32.8, None),
            ("minimax-m2.5", 229.0, Some(10.0)),
            ("gpt-oss-120b", 116.8, Some(5.1)),
            ("gpt-oss-20b", 20.9, Some(3.6)),
            ("llama-2-70b", 69.0, None),
            ("llama-3.1-8b", 8.03, None),
            ("llama-3.1-70b", 70.6, None),
            ("llama-3.3-70b", 70.6, None),
            ("llama-3.1-405b", 405.9, None),
            ("llama-4-scout", 107.8, Some(17.0)),
            ("gemma-3-27b", 27.0, None),
            ("mixtral-8x7b", 46.7, Some(12.9)),
            ("mixtral-8x22b", 140.6, Some(39.1)),
        ];
        for (name, all, active) in cards {
            let model = model(name).expect("in the catalog");
            let own = model.architecture.expect("stated").parameters();
            let billions = own.all / 1e9;
            assert!((billions / all - 1.0).abs() < 0.005, "{name}: {billions}");
            if let Some(active) = active {
                let billions = own.active / 1e9;
                assert!((billions / active - 1.0).abs() < 0.08, "{name}: {billions}");
            }
        }
        assert_eq!(cards.len(), models().len());
    }
}
