//! The shape of `[performance.constants]`: every constant of an engine, as the catalog lists them.

use super::super::shape::{Field, TableShape, number, optional};
use crate::catalog;

const COUNT: usize = catalog::CONSTANTS.len();

/// Shape of a table of an engine's constants, each of which may be given.
pub static CONSTANTS: TableShape = TableShape {
    name: "engine_constants",
    doc: "Constants of an engine",
    ordered: false,
    fields: &FIELDS,
};

const FIELDS: [Field; COUNT] = {
    let mut fields = [const { optional("", number(0.0, 0.0), "") }; COUNT];
    let mut i = 0;
    while i < COUNT {
        let info = catalog::CONSTANTS[i].1;
        fields[i] = optional(info.key, number(info.low, info.high), info.doc);
        i += 1;
    }
    fields
};
