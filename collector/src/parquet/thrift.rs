//! Thrift's compact protocol, as far as Parquet's metadata needs it
//! (github.com/apache/thrift, doc/specs/thrift-compact-protocol.md).

const TRUE: u8 = 1;
const FALSE: u8 = 2;
const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// Writes a struct: its fields by ascending id.
#[derive(Debug, Default)]
pub(super) struct Struct {
    bytes: Vec<u8>,
    last: u8,
}

impl Struct {
    fn field(mut self, id: u8, kind: u8) -> Self {
        // Ids of the metadata are small and ascend by less than 16.
        self.bytes.push((id - self.last) << 4 | kind);
        self.last = id;
        self
    }

    pub(super) fn i32(self, id: u8, value: i32) -> Self {
        let mut this = self.field(id, I32);
        zigzag(&mut this.bytes, i64::from(value));
        this
    }

    pub(super) fn i64(self, id: u8, value: i64) -> Self {
        let mut this = self.field(id, I64);
        zigzag(&mut this.bytes, value);
        this
    }

    pub(super) fn truth(self, id: u8, value: bool) -> Self {
        self.field(id, if value { TRUE } else { FALSE })
    }

    pub(super) fn binary(self, id: u8, value: &[u8]) -> Self {
        let mut this = self.field(id, BINARY);
        binary(&mut this.bytes, value);
        this
    }

    pub(super) fn nested(self, id: u8, value: Self) -> Self {
        let mut this = self.field(id, STRUCT);
        this.bytes.extend(value.end());
        this
    }

    pub(super) fn structs(self, id: u8, values: impl ExactSizeIterator<Item = Self>) -> Self {
        let mut this = self.field(id, LIST);
        list(&mut this.bytes, STRUCT, values.len());
        values.for_each(|value| this.bytes.extend(value.end()));
        this
    }

    pub(super) fn i32s(self, id: u8, values: &[i32]) -> Self {
        let mut this = self.field(id, LIST);
        list(&mut this.bytes, I32, values.len());
        values.iter().for_each(|value| zigzag(&mut this.bytes, i64::from(*value)));
        this
    }

    pub(super) fn binaries(self, id: u8, values: &[&[u8]]) -> Self {
        let mut this = self.field(id, LIST);
        list(&mut this.bytes, BINARY, values.len());
        values.iter().for_each(|value| binary(&mut this.bytes, value));
        this
    }

    /// The struct's bytes.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.bytes.push(0);
        self.bytes
    }
}

/// An unsigned number, seven bits in a byte, the lowest first (ULEB128).
pub(super) fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn zigzag(bytes: &mut Vec<u8>, value: i64) {
    varint(bytes, ((value << 1) ^ (value >> 63)) as u64);
}

fn binary(bytes: &mut Vec<u8>, value: &[u8]) {
    varint(bytes, value.len() as u64);
    bytes.extend_from_slice(value);
}

fn list(bytes: &mut Vec<u8>, kind: u8, length: usize) {
    if length < 15 {
        bytes.push((length as u8) << 4 | kind);
    } else {
        bytes.push(0xF0 | kind);
        varint(bytes, length as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        // thrift-compact-protocol.md: 50399 as a varint is DF 89 03; zigzag maps 0, -1, 1, -2 to 0, 1, 2, 3.
        let mut bytes = Vec::new();
        varint(&mut bytes, 50_399);
        assert_eq!(bytes, [0xDF, 0x89, 0x03]);
        let mut bytes = Vec::new();
        [0, -1, 1, -2, i64::MAX, i64::MIN].into_iter().for_each(|value| zigzag(&mut bytes, value));
        assert_eq!(bytes[..4], [0, 1, 2, 3]);
        assert_eq!(bytes[4..14], [0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]);
    }

    #[test]
    fn a_struct_is_fields_by_distance_and_an_end() {
        let inner = Struct::default().truth(1, true);
        let bytes = Struct::default().i32(1, 1).binary(4, b"ab").nested(5, inner).i32s(9, &[0, 3]).end();
        assert_eq!(bytes, [0x15, 2, 0x38, 2, b'a', b'b', 0x1C, 0x11, 0, 0x49, 0x25, 0, 6, 0]);
        let many = Struct::default().i32s(1, &[1; 20]).end();
        assert_eq!(many[..3], [0x19, 0xF5, 20]);
    }
}
