//! The announcements in VERSION that are not requests: `supported` and `vendor-id`, whose data has its own layout.

use crate::fields::{Body, Output, Reader};
use crate::open_flags::OpenFlags;

/// The data of `supported` (draft-ietf-secsh-filexfer-05, section 4.3): what a server supports, in the terms of version
/// 5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Supported<'a> {
    /// The attributes that the server supports, as the flags of version 5.
    pub attribute_mask: u32,
    /// The bits of the attribute `attrib-bits` that the server supports.
    pub attribute_bits: u32,
    /// The flags of OPEN that the server supports.
    pub open_flags: OpenFlags,
    /// The kinds of file access that the server supports. Version 3 does not have them.
    pub access_mask: u32,
    /// The most bytes that one READ returns.
    pub read_length: u32,
    /// The names of the extensions that the server supports.
    pub extensions: Vec<&'a [u8]>,
}

impl<'a> Supported<'a> {
    /// The name under which VERSION announces this data.
    pub const NAME: &'static str = "supported";

    /// Decodes the data; returns `None` if it is cut short.
    pub fn decode(data: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        let mut supported = Self {
            attribute_mask: reader.u32()?,
            attribute_bits: reader.u32()?,
            open_flags: OpenFlags::from_bits(reader.u32()?),
            access_mask: reader.u32()?,
            read_length: reader.u32()?,
            extensions: Vec::new(),
        };
        while !reader.is_empty() {
            supported.extensions.push(reader.string()?);
        }
        Some(supported)
    }

    /// Returns the data in the encoding that VERSION contains.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut data = Vec::new();
        self.put(&mut data);
        data
    }
}

impl Body for Supported<'_> {
    fn put(&self, out: &mut impl Output) {
        out.put_u32(self.attribute_mask);
        out.put_u32(self.attribute_bits);
        out.put_u32(self.open_flags.bits());
        out.put_u32(self.access_mask);
        out.put_u32(self.read_length);
        for name in &self.extensions {
            out.put_string(name);
        }
    }
}

/// The data of `vendor-id` (draft-ietf-secsh-filexfer-13, section 4.4), which identifies the server's software.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorId<'a> {
    /// The name of the vendor.
    pub vendor: &'a [u8],
    /// The name of the program.
    pub product: &'a [u8],
    /// The version of the program, as text for people.
    pub version: &'a [u8],
    /// The build number of the program.
    pub build: u64,
}

impl<'a> VendorId<'a> {
    /// The name under which VERSION announces this data.
    pub const NAME: &'static str = "vendor-id";

    /// Decodes the data; returns `None` if it is cut short.
    pub fn decode(data: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(data);
        Some(Self {
            vendor: reader.string()?,
            product: reader.string()?,
            version: reader.string()?,
            build: reader.u64()?,
        })
    }

    /// Returns the data in the encoding that VERSION contains.
    pub fn to_vec(&self) -> Vec<u8> {
        let mut data = Vec::new();
        self.put(&mut data);
        data
    }
}

impl Body for VendorId<'_> {
    fn put(&self, out: &mut impl Output) {
        for text in [self.vendor, self.product, self.version] {
            out.put_string(text);
        }
        out.put_u64(self.build);
    }
}
