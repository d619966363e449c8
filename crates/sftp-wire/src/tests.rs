//! The codec against layouts that are written out here by hand, against itself, and against random bytes.

mod extensions;
mod properties;
mod replies;
mod requests;

/// A string as RFC 4251 has it, written here once more so that the codec is not tested with itself alone.
fn string(bytes: &[u8]) -> Vec<u8> {
    let mut wire = u32::try_from(bytes.len()).unwrap().to_be_bytes().to_vec();
    wire.extend(bytes);
    wire
}

fn number(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn long(number: u64) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

/// A packet without its length field.
fn packet(packet_type: u8, id: u32, fields: &[Vec<u8>]) -> Vec<u8> {
    [&[packet_type][..], &id.to_be_bytes(), &fields.concat()].concat()
}

/// A packet with its length field.
fn framed(packet: &[u8]) -> Vec<u8> {
    string(packet)
}
