//! The elements of `Forwarded` (RFC 7239, section 4): pairs such as `for="[2001:db8::1]:5000"`, with `;` between them.

/// What one proxy says. What it does not say is empty.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ForwardedElement {
    /// `for`: the address that called the proxy.
    pub node: Vec<u8>,
    /// `proto`: how it called.
    pub scheme: Vec<u8>,
    /// `host`: the host that it asked for.
    pub host: Vec<u8>,
}

/// Splits the last element off a list; `None` if the list is empty. Commas within quotes separate nothing.
///
/// The list is read from its end, where trusted proxies write, so that an open quote that a client has written in front
/// cannot swallow what stands behind it.
pub fn last_element(list: &[u8]) -> Option<(&[u8], &[u8])> {
    if list.trim_ascii().is_empty() {
        return None;
    }
    let mut is_quoted = false;
    let comma = list.iter().rposition(|&byte| {
        if byte == b'"' {
            is_quoted = !is_quoted;
        }
        byte == b',' && !is_quoted
    });
    match comma.and_then(|at| list.split_at_checked(at)) {
        Some((before, element)) => Some((before, element.strip_prefix(b",").unwrap_or(element))),
        None => Some((Default::default(), list)),
    }
}

impl ForwardedElement {
    /// Parses an element; `None` if it is malformed or says something twice.
    pub fn parse(element: &[u8]) -> Option<Self> {
        let mut parsed = Self::default();
        let mut is_quoted = false;
        let pairs = element.split(move |&byte| {
            if byte == b'"' {
                is_quoted = !is_quoted;
            }
            byte == b';' && !is_quoted
        });
        for pair in pairs {
            let pair = pair.trim_ascii();
            if pair.is_empty() {
                continue;
            }
            let at = pair.iter().position(|&byte| byte == b'=')?;
            let (name, value) = pair.split_at_checked(at)?;
            let value = unquoted(value.strip_prefix(b"=")?)?;
            let field = match name.to_ascii_lowercase().as_slice() {
                b"for" => &mut parsed.node,
                b"proto" => &mut parsed.scheme,
                b"host" => &mut parsed.host,
                // `by` and extensions.
                _ => continue,
            };
            if !field.is_empty() {
                return None;
            }
            *field = value;
        }
        Some(parsed)
    }
}

/// Returns a value without its quotes, if it has any; `None` if they do not match.
fn unquoted(value: &[u8]) -> Option<Vec<u8>> {
    let Some(quoted) = value.strip_prefix(b"\"") else {
        return (!value.contains(&b'"')).then(|| value.to_vec());
    };
    let quoted = quoted.strip_suffix(b"\"")?;
    let mut plain = Vec::with_capacity(quoted.len());
    let mut bytes = quoted.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => return None,
            b'\\' => plain.push(*bytes.next()?),
            other => plain.push(other),
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_split_from_the_end() {
        let check = |list: &str, expected: Option<(&str, &str)>| {
            let found = last_element(list.as_bytes());
            let expected = expected.map(|(before, element)| (before.as_bytes(), element.as_bytes()));
            assert_eq!(found, expected, "{list}");
        };
        check("", None);
        check(" ", None);
        check("a", Some(("", "a")));
        check("a, b", Some(("a", " b")));
        check("a,", Some(("a", "")));
        check("a,for=\"x,y\"", Some(("a", "for=\"x,y\"")));
        check("for=\", for=b", Some(("for=\"", " for=b")));
    }

    #[test]
    fn pairs_are_read() {
        let check = |text: &str, expected: Option<[&str; 3]>| {
            let found = ForwardedElement::parse(text.as_bytes());
            let expected = expected.map(|[node, scheme, host]| ForwardedElement {
                node: node.into(),
                scheme: scheme.into(),
                host: host.into(),
            });
            assert_eq!(found, expected, "{text}");
        };
        check("for=192.0.2.1", Some(["192.0.2.1", "", ""]));
        check(
            "For=\"[::1]:80\" ; PROTO=https;host=\"a;b\";by=x;y=z;",
            Some(["[::1]:80", "https", "a;b"]),
        );
        check("for=\"a\\\"b\"", Some(["a\"b", "", ""]));
        check("for=\"a\\bc\"", Some(["abc", "", ""]));
        check("", Some(["", "", ""]));
        for malformed in [
            "for",
            "for=a;for=b",
            "for=\"a",
            "for=a\"",
            "for=\"a\"b\"",
            "for=\"a\\\"",
        ] {
            check(malformed, None);
        }
    }
}
