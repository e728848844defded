//! Records under keys, numbers that are used again, the last one given back first: its record is still in the cache.

/// A store of records, each under a key.
#[derive(Clone, Debug)]
pub struct Slab<T> {
    items: Vec<T>,
    free: Vec<u32>,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self {
            items: Vec::new(),
            free: Vec::new(),
        }
    }
}

impl<T: Copy> Slab<T> {
    /// Number of records that are kept.
    pub fn len(&self) -> usize {
        self.items.len() - self.free.len()
    }

    /// Keeps a record; returns its key.
    #[inline]
    pub fn store(&mut self, item: T) -> u32 {
        match self.free.pop() {
            Some(key) => {
                self.items[key as usize] = item;
                key
            }
            None => {
                self.items.push(item);
                (self.items.len() - 1) as u32
            }
        }
    }

    /// The record under a key.
    #[inline]
    pub fn get(&self, key: u32) -> &T {
        &self.items[key as usize]
    }

    /// The record under a key, to change it.
    #[inline]
    pub fn get_mut(&mut self, key: u32) -> &mut T {
        &mut self.items[key as usize]
    }

    /// Takes a record out; its key is free for the next one.
    #[inline]
    pub fn take(&mut self, key: u32) -> T {
        self.free.push(key);
        self.items[key as usize]
    }
}
