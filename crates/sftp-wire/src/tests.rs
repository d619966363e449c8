//! Tests of the codec against layouts written out by hand, against itself, and against random bytes.

mod extensions;
mod properties;
mod replies;
mod requests;

/// Encodes a string as in RFC 4251. It is written a second time here, so that the codec is not only tested with itself.
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

/// Returns a packet without its length field.
fn packet(packet_type: u8, id: u32, fields: &[Vec<u8>]) -> Vec<u8> {
    [&[packet_type][..], &id.to_be_bytes(), &fields.concat()].concat()
}

/// Returns a packet with its length field.
fn framed(packet: &[u8]) -> Vec<u8> {
    string(packet)
}
