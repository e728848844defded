//! What recorded prompts consist of, where a recording has the ids of their blocks.

use std::collections::HashMap;

/// The blocks of recorded prompts: equal ids are equal tokens, all that stands before them included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedBlocks {
    /// Tokens of a block.
    tokens: u32,
    /// Where the blocks of each prompt begin in `ids`, in the order of the file.
    starts: Vec<usize>,
    /// Numbers of blocks, from 0 in the order in which they first come.
    ids: Vec<u32>,
}

/// Blocks as they are read.
#[derive(Debug, Default)]
pub struct BlockReader {
    starts: Vec<usize>,
    ids: Vec<u32>,
    numbers: HashMap<u64, u32>,
}

impl BlockReader {
    /// Notes the blocks of the next prompt, and says which prompt it is.
    pub fn see(&mut self, blocks: &[u64]) -> u32 {
        let prompt = self.starts.len() as u32;
        self.starts.push(self.ids.len());
        for id in blocks {
            let next = self.numbers.len() as u32;
            self.ids.push(*self.numbers.entry(*id).or_insert(next));
        }
        prompt
    }

    /// What was read, in blocks of so many tokens; `None`: no prompt has any.
    pub fn into_blocks(self, tokens: Option<u64>) -> Option<RecordedBlocks> {
        let tokens = u32::try_from(tokens?).ok()?;
        (!self.ids.is_empty()).then_some(RecordedBlocks {
            tokens,
            starts: self.starts,
            ids: self.ids,
        })
    }
}

impl RecordedBlocks {
    /// Tokens of a block.
    pub fn tokens(&self) -> u32 {
        self.tokens
    }

    /// Blocks of a prompt, from its first one.
    pub fn of(&self, prompt: u32) -> &[u32] {
        let at = |place: usize| self.starts.get(place).copied().unwrap_or(self.ids.len());
        let place = prompt as usize;
        &self.ids[at(place)..at(place + 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_have_their_blocks_by_number() {
        let mut reader = BlockReader::default();
        let prompts = [[7_u64, 9, 700].as_slice(), &[], &[7, 9, 3]];
        assert_eq!(prompts.map(|ids| reader.see(ids)), [0, 1, 2]);
        let blocks = reader.into_blocks(Some(512)).expect("there are some");
        let of = |prompt| blocks.of(prompt).to_vec();
        assert_eq!(
            [of(0), of(1), of(2), of(3)],
            [vec![0, 1, 2], vec![], vec![0, 1, 3], vec![]]
        );
        assert_eq!(BlockReader::default().into_blocks(Some(512)), None);
    }
}
