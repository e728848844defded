//! What the catalog says of one thing, and where it was published.

/// An entry of the catalog with its sources.
#[derive(Clone, Debug)]
pub struct CatalogEntry<T> {
    /// The accelerator, model or price list itself.
    pub item: T,
    /// Where the entry's figures were published.
    pub source: String,
    /// What of the entry is not published but assumed; empty: nothing.
    pub assumed: String,
}
