//! The size of the blocks that the ids of a trace stand for, where its file does not say it.

use super::recorded_request::RecordedRequest;

/// Sizes that are tried, in tokens, the likeliest first.
const BLOCK_TOKENS: [u64; 8] = [512, 16, 64, 128, 256, 32, 1024, 1];

/// Sizes of blocks that suit every row: as many ids as blocks, begun ones included, or full ones only.
#[derive(Debug)]
pub struct BlockSizes {
    begun: Vec<u64>,
    full: Vec<u64>,
    is_seen: bool,
}

impl Default for BlockSizes {
    fn default() -> Self {
        Self {
            begun: BLOCK_TOKENS.to_vec(),
            full: BLOCK_TOKENS.to_vec(),
            is_seen: false,
        }
    }
}

impl BlockSizes {
    /// Notes the ids of one more request.
    pub fn see(&mut self, request: &RecordedRequest) {
        let (count, input) = (request.blocks.len() as u64, u64::from(request.input));
        if count > 0 {
            self.is_seen = true;
            self.begun.retain(|size| input.div_ceil(*size) == count);
            self.full.retain(|size| input / size == count);
        }
    }

    /// Whether any request has ids.
    pub fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// The first size that suits all that were seen; `None`: none does, or no row has ids.
    pub fn tokens(&self) -> Option<u64> {
        let first = self.begun.first().or(self.full.first());
        first.copied().filter(|_| self.is_seen)
    }
}
