//! What a certificate says about itself: until when it is valid, and for which names. Whom it convinces is decided by
//! clients, so nothing is verified here.
//!
//! Of DER (X.690) only what certificates use is read: tags of one byte, and definite lengths.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const BOOLEAN: u8 = 0x01;
const OBJECT_IDENTIFIER: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
/// The version of a certificate, which those of version 1 do not have.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// A name of the kinds dNSName and iPAddress (RFC 5280, section 4.2.1.6).
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;
/// The identifier of the extension subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: [u8; 3] = [0x55, 0x1d, 0x11];

/// The most names that a message has. A certificate may have a hundred.
const MOST_SHOWN: usize = 5;

/// The most bytes of a length that are read: 16 MiB, which is more than a file may have.
const MOST_LENGTH_BYTES: u8 = 3;

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The time from which it is valid.
    pub not_before: Timestamp,
    /// The time until which it is valid.
    pub not_after: Timestamp,
    /// The names of hosts, which may begin with `*.`, and the addresses that it is for.
    pub names: Vec<String>,
}

impl CertificateFacts {
    /// Reads a certificate; `None` if it is not one.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let mut certificate = DerReader(DerReader(der).expect(SEQUENCE)?);
        let mut body = DerReader(certificate.expect(SEQUENCE)?);
        if body.next_value()?.tag == VERSION {
            // The serial number follows.
            body.next_value()?;
        }
        let _algorithm = body.expect(SEQUENCE)?;
        let _issuer = body.expect(SEQUENCE)?;
        let mut validity = DerReader(body.expect(SEQUENCE)?);
        let not_before = validity.next_value()?.time()?;
        let not_after = validity.next_value()?.time()?;
        let _subject = body.expect(SEQUENCE)?;
        let mut names = Vec::new();
        while let Some(value) = body.next_value() {
            if value.tag == EXTENSIONS {
                names = names_in(value.content)?;
            }
        }
        Some(Self {
            not_before,
            not_after,
            names,
        })
    }

    /// Returns whether a browser that was sent to this host accepts the names.
    pub fn is_for(&self, host: &str) -> bool {
        if let Ok(address) = host.parse::<IpAddr>() {
            return self
                .names
                .iter()
                .any(|name| name.parse::<IpAddr>() == Ok(address));
        }
        let beside = host.split_once('.').map(|(_, above)| above);
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            // The star stands for one label.
            Some(above) => beside.is_some_and(|host| host.eq_ignore_ascii_case(above)),
            None => name.eq_ignore_ascii_case(host),
        })
    }

    /// Returns the first names, for messages.
    pub fn shown_names(&self) -> String {
        let shown: Vec<&str> = self.names.iter().take(MOST_SHOWN).map(String::as_str).collect();
        match self.names.len().saturating_sub(MOST_SHOWN) {
            0 if shown.is_empty() => "no name".to_owned(),
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    }
}

impl fmt::Display for CertificateFacts {
    /// Shows the names and the last day, behind "a certificate".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "for {} until {}", self.shown_names(), day(self.not_after))
    }
}

/// Returns the day of a time, in UTC.
pub(super) fn day(time: Timestamp) -> impl fmt::Display {
    time.strftime("%Y-%m-%d")
}

/// Returns the names in the extensions of a certificate.
fn names_in(extensions: &[u8]) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut list = DerReader(DerReader(extensions).expect(SEQUENCE)?);
    while let Some(extension) = list.next_value() {
        let mut extension = DerReader(extension.content);
        if extension.expect(OBJECT_IDENTIFIER)? != SUBJECT_ALT_NAME {
            continue;
        }
        let mut value = extension.next_value()?;
        if value.tag == BOOLEAN {
            // It says whether the extension is critical.
            value = extension.next_value()?;
        }
        let mut alternatives = DerReader(DerReader(value.content).expect(SEQUENCE)?);
        while let Some(name) = alternatives.next_value() {
            names.extend(name.name());
        }
    }
    Some(names)
}

/// Reads values of DER, one after another.
struct DerReader<'a>(&'a [u8]);

/// One value of DER.
struct DerValue<'a> {
    tag: u8,
    content: &'a [u8],
}

impl<'a> DerReader<'a> {
    /// Returns the next value; `None` at the end, and if what follows is not one.
    fn next_value(&mut self) -> Option<DerValue<'a>> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first.checked_sub(0x80) {
            None => (usize::from(first), rest),
            Some(count @ 1..=MOST_LENGTH_BYTES) => {
                let (bytes, rest) = rest.split_at_checked(usize::from(count))?;
                let length = bytes
                    .iter()
                    .fold(0, |length: usize, byte| (length << 8) | usize::from(*byte));
                (length, rest)
            }
            Some(_) => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(DerValue { tag, content })
    }

    /// Returns the content of the next value, which must have this tag.
    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        let value = self.next_value()?;
        (value.tag == tag).then_some(value.content)
    }
}

impl DerValue<'_> {
    /// Returns the value as a time, in one of the two forms that RFC 5280 allows: `YYMMDDHHMMSSZ` and
    /// `YYYYMMDDHHMMSSZ`.
    fn time(&self) -> Option<Timestamp> {
        let text = std::str::from_utf8(self.content).ok()?.strip_suffix('Z')?;
        let (year, rest) = match self.tag {
            UTC_TIME => {
                let (year, rest) = text.split_at_checked(2)?;
                let year: i16 = number(year)?;
                (if year < 50 { 2000 + year } else { 1900 + year }, rest)
            }
            GENERALIZED_TIME => {
                let (year, rest) = text.split_at_checked(4)?;
                (number(year)?, rest)
            }
            _ => return None,
        };
        if rest.len() != 10 {
            return None;
        }
        let part = |at: usize| number::<i8>(rest.get(at..at + 2)?);
        let time = DateTime::new(year, part(0)?, part(2)?, part(4)?, part(6)?, part(8)?, 0).ok()?;
        // The last day of the year 9999 stands for no end, and is none of a timestamp.
        Some(
            time.to_zoned(TimeZone::UTC)
                .map_or(Timestamp::MAX, |time| time.timestamp()),
        )
    }

    /// Returns the value as a name of a host, or an address; `None` if it is of another kind.
    fn name(&self) -> Option<String> {
        match self.tag {
            DNS_NAME => Some(String::from_utf8_lossy(self.content).into_owned()),
            IP_ADDRESS => {
                let four = <[u8; 4]>::try_from(self.content).map(IpAddr::from);
                let address = four.or_else(|_| <[u8; 16]>::try_from(self.content).map(IpAddr::from));
                address.ok().map(|address| address.to_string())
            }
            _ => None,
        }
    }
}

/// Returns the number that a text of digits stands for.
fn number<T: FromStr>(digits: &str) -> Option<T> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn facts(pem: &str) -> CertificateFacts {
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        CertificateFacts::of_der(&der).unwrap()
    }

    #[test]
    fn dates_and_names_are_those_that_openssl_shows() {
        let check = |pem: &str, not_before: &str, not_after: &str| {
            let facts = facts(pem);
            assert_eq!(facts.not_before.to_string(), not_before);
            assert_eq!(facts.not_after.to_string(), not_after);
            let expected = ["files.example.org", "*.example.net", "192.0.2.7", "2001:db8::7"];
            assert_eq!(facts.names, expected);
        };
        let chain = include_str!("fixtures/chain.pem");
        check(chain, "2020-01-01T00:00:00Z", "2120-01-01T00:00:00Z");
        let expired = include_str!("fixtures/expired.pem");
        check(expired, "2000-01-01T00:00:00Z", "2001-01-01T00:00:00Z");
        let not_yet = include_str!("fixtures/not_yet.pem");
        check(not_yet, "2100-01-01T00:00:00Z", "2110-01-01T00:00:00Z");
        let endless = facts(include_str!("fixtures/endless.pem"));
        assert_eq!(endless.not_after, Timestamp::MAX);
        assert!(facts(include_str!("fixtures/no_names.pem")).names.is_empty());
        assert_eq!(
            facts(include_str!("fixtures/rsa.pem")).names,
            ["files.example.org"]
        );
    }

    #[test]
    fn hosts_are_compared_as_browsers_do() {
        let facts = facts(include_str!("fixtures/chain.pem"));
        let check = |host: &str, expected: bool| assert_eq!(facts.is_for(host), expected, "{host}");
        check("files.example.org", true);
        check("FILES.example.org", true);
        check("example.org", false);
        check("a.example.net", true);
        check("a.b.example.net", false);
        check("example.net", false);
        check("192.0.2.7", true);
        check("192.0.2.8", false);
        check("2001:db8:0::7", true);
    }

    /// Whatever is cut off or changed, nothing panics.
    #[test]
    fn what_is_no_certificate_is_none() {
        let der = CertificateDer::from_pem_slice(include_bytes!("fixtures/chain.pem")).unwrap();
        for length in 0..der.len() {
            assert_eq!(CertificateFacts::of_der(&der[..length]), None, "{length}");
        }
        for at in 0..der.len() {
            for bits in [0xff, 0x80, 0x01] {
                let mut changed = der.to_vec();
                changed[at] ^= bits;
                let _ = CertificateFacts::of_der(&changed);
            }
        }
        let time = |tag, text: &[u8]| DerValue { tag, content: text }.time();
        assert!(time(UTC_TIME, b"200101000000Z").is_some());
        for text in [
            "200101000000",
            "20010100000Z",
            "+10101000000Z",
            "201301000000Z",
            "2é0101000000Z",
        ] {
            assert_eq!(time(UTC_TIME, text.as_bytes()), None, "{text}");
        }
        assert_eq!(time(SEQUENCE, b"200101000000Z"), None);
    }
}
