//! The declaration of a route, as constant bytes of the component: `describe` only says where they are.
//!
//! Owns the layout that the canonical ABI gives to the record `declaration` of `wit/world.wit` (component model,
//! "Canonical ABI", sections "Alignment" and "Element Size"). Nothing is allocated or copied, so that a declaration
//! costs a component neither code nor the imports that a failed allocation needs to be printed. It must not know what
//! the options mean.

use core::marker::PhantomData;

/// The record `declaration`: the paths, the methods and the options, as the attribute has them.
#[repr(C)]
#[derive(Debug)]
pub struct Declaration {
    /// The path patterns; none where the file's place is the path.
    pub paths: List<Text>,
    /// The methods; none for every method.
    pub methods: List<Text>,
    /// The options by name, in the attribute's order.
    pub options: List<Entry>,
}

/// An option: a `tuple<string, value>`.
#[repr(C)]
#[derive(Debug)]
pub struct Entry {
    /// Its name.
    pub name: Text,
    /// Its value.
    pub value: Value,
}

/// The variant `value`. A `repr(C, u8)` has its discriminant and its cases where the canonical ABI has them.
#[repr(C, u8)]
#[derive(Debug)]
#[expect(missing_docs, reason = "the cases are those of `crate::Value`")]
pub enum Value {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Text(Text),
    Booleans(List<bool>),
    Integers(List<i64>),
    Floats(List<f64>),
    Texts(List<Text>),
}

/// A `string`, which is laid out as the list of its bytes.
pub type Text = List<u8>;

/// A `list`: where its elements are, and how many.
#[repr(C)]
#[derive(Debug)]
pub struct List<T: 'static> {
    first: *const T,
    length: usize,
    elements: PhantomData<&'static [T]>,
}

impl<T> List<T> {
    /// These elements.
    #[must_use]
    pub const fn of(elements: &'static [T]) -> Self {
        Self { first: elements.as_ptr(), length: elements.len(), elements: PhantomData }
    }
}

impl Text {
    /// This text.
    #[must_use]
    pub const fn of_str(text: &'static str) -> Self {
        Self::of(text.as_bytes())
    }
}

// The sizes and places of the canonical ABI, where a pointer has 32 bits.
#[cfg(target_arch = "wasm32")]
const _: () = {
    assert!(size_of::<Text>() == 8);
    assert!(size_of::<Value>() == 16 && align_of::<Value>() == 8);
    assert!(size_of::<Entry>() == 24 && core::mem::offset_of!(Entry, value) == 8);
    assert!(size_of::<Declaration>() == 24 && core::mem::offset_of!(Declaration, options) == 16);
};
