//! Why a call of an address has failed, in words for the operator who has set it: what, why, and what to do next.
//!
//! Nothing of the address is quoted, because its path may be a secret; what the other side sends is not quoted either.

use std::io::{self, ErrorKind};

use rustls::CertificateError;
use ureq::http::StatusCode;

use base::error::{Clause, Error};

/// Returns why a request has no answer.
pub(super) fn of_error(error: &ureq::Error) -> Error {
    match error {
        ureq::Error::Timeout(_) => too_slow(),
        ureq::Error::HostNotFound => Error::new("its host has no address").hint(
            "check the name of the host in url, and whether this machine can resolve it: getent hosts NAME",
        ),
        ureq::Error::Io(error) => of_io(error),
        ureq::Error::Rustls(error) => of_tls(error),
        ureq::Error::Tls(_) => {
            Error::new("the host in url is not a name that a certificate can have").hint("correct url")
        }
        ureq::Error::Protocol(_) | ureq::Error::LargeResponseHeader(..) | ureq::Error::BodyStalled => {
            Error::new("its answer is not HTTP")
                .because(Clause(error).to_string())
                .hint("check the port in url, and whether it is to begin with https://")
        }
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => {
            Error::new("url is not an address that can be called")
                .because(Clause(error).to_string())
                .hint("correct url")
        }
        error => Error::new("the request has failed")
            .because(Clause(error).to_string())
            .hint("check url, and the log of its server"),
    }
}

/// Returns why an answer with this status is a failure.
pub(super) fn of_status(status: StatusCode) -> Error {
    let what = format!("it answered {status}");
    if status.is_redirection() {
        return Error::new(format!("{what}, and redirects are not followed"))
            .hint("set url to the address that it redirects to");
    }
    Error::new(what).hint(match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "it does not accept this server's requests: compare secret_file with the secret that it checks signatures with, or \
             what else it asks for"
        }
        StatusCode::NOT_FOUND | StatusCode::GONE => "nothing is at this path: check the path in url",
        StatusCode::METHOD_NOT_ALLOWED => "this path does not take POST: check the path in url",
        StatusCode::TOO_MANY_REQUESTS => "it limits how often it is called: raise that limit there",
        status if status.is_client_error() => "it does not accept the request: see the log of its server",
        status if status.is_server_error() => "its server is at fault: see the log there",
        _ => "only a status from 200 to 299 is success",
    })
}

fn too_slow() -> Error {
    Error::new("it has not answered within timeout_secs")
        .hint("see why it takes so long or drops what is sent to it, or raise timeout_secs")
}

fn of_io(error: &io::Error) -> Error {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    if let Some(error) = tls {
        return of_tls(error);
    }
    match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => too_slow(),
        ErrorKind::ConnectionRefused => Error::new("the connection was refused")
            .hint("nothing listens there: start its server, or correct the host or the port in url"),
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => Error::new("it has closed the connection without an answer").hint(
            "see the log of its server; check the port in url, and whether it is to begin with https://",
        ),
        ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable => {
            Error::new("its host cannot be reached")
                .because(Clause(error).to_string())
                .hint("check the routes and firewalls between this machine and the host in url")
        }
        ErrorKind::PermissionDenied => Error::new("this machine does not let the server connect to it")
            .because(Clause(error).to_string())
            .hint("check the firewall, and IPAddressDeny= and the like of the unit"),
        _ => Error::new("the connection has failed")
            .because(Clause(error).to_string())
            .hint("check url, and the network between this machine and its host"),
    }
}

fn of_tls(error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(error) => of_certificate(error),
        rustls::Error::InvalidMessage(_) => {
            Error::new("it does not speak TLS").hint("check the port in url: it must be the one for https")
        }
        rustls::Error::AlertReceived(alert) => Error::new(format!(
            "it has ended the TLS handshake with the alert {alert:?}"
        ))
        .hint("see the log of its server: it may want a certificate of clients, which hooks do not have"),
        rustls::Error::PeerIncompatible(_) => Error::new("it has no way of TLS in common with this server")
            .because(Clause(error).to_string())
            .hint("let it offer TLS 1.2 or 1.3 with AES-GCM or ChaCha20-Poly1305"),
        error => Error::new("TLS has failed")
            .because(Clause(error).to_string())
            .hint("see the log of its server"),
    }
}

fn of_certificate(error: &CertificateError) -> Error {
    match error {
        // The last two: an authority of the same name has another key.
        CertificateError::UnknownIssuer
        | CertificateError::BadSignature
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            Error::new("its certificate is not of an authority that this system trusts").hint(
                "have the authority's certificate trusted (update-ca-certificates), or name its file as SSL_CERT_FILE in the \
                 environment of the server, and restart the server",
            )
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            Error::new("its certificate has expired")
                .hint("renew it at its server; if it is a new one, set the clock of this machine")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            Error::new("its certificate is not valid yet").hint("set the clocks of both machines")
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Error::new("its certificate is not for the host in url").hint(
                "use a name in url that the certificate has as a subjectAltName, or give its server another certificate",
            )
        }
        CertificateError::Revoked => {
            Error::new("its certificate was revoked").hint("give its server another certificate")
        }
        // Which this library has no kind for.
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            Error::new("its certificate is that of an authority, which servers cannot use").hint(
                "make one for the server with basicConstraints CA:FALSE, and have the authority's trusted",
            )
        }
        error => Error::new("its certificate cannot be accepted")
            .because(error.to_string())
            .hint("openssl s_client -connect HOST:PORT -showcerts shows it"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    /// What is said begins with the first text, and its hint contains the second one.
    #[track_caller]
    fn check(said: &Error, what: &str, hint: &str) {
        let said = said.to_string();
        let (beginning, next) = said.split_once(" (hint: ").unwrap();
        assert!(beginning.starts_with(what), "{said}");
        assert!(next.contains(hint), "{said}");
        assert!(said.len() < 400, "{said}");
    }

    #[test]
    fn errors_of_connections_say_what_to_do_next() {
        let io = |kind: ErrorKind| of_error(&ureq::Error::Io(io::Error::from(kind)));
        check(
            &io(ErrorKind::ConnectionRefused),
            "the connection was refused",
            "port in url",
        );
        check(
            &io(ErrorKind::ConnectionReset),
            "it has closed the connection",
            "https://",
        );
        check(
            &io(ErrorKind::UnexpectedEof),
            "it has closed the connection",
            "https://",
        );
        check(
            &io(ErrorKind::TimedOut),
            "it has not answered",
            "raise timeout_secs",
        );
        check(
            &io(ErrorKind::HostUnreachable),
            "its host cannot be reached: ",
            "firewalls",
        );
        check(&io(ErrorKind::PermissionDenied), "this machine", "IPAddressDeny");
        check(&io(ErrorKind::OutOfMemory), "the connection has failed: ", "url");
        check(
            &of_error(&ureq::Error::HostNotFound),
            "its host has no address",
            "getent",
        );
        check(
            &of_error(&ureq::Error::BodyStalled),
            "its answer is not HTTP: ",
            "https://",
        );
        let other = of_error(&ureq::Error::ConnectionFailed);
        check(&other, "the request has failed: connection failed", "url");
    }

    #[test]
    fn errors_of_certificates_say_what_to_do_next() {
        // As the library passes them on: within an error of the connection.
        let tls = |error: rustls::Error| {
            let io = io::Error::new(ErrorKind::InvalidData, error);
            of_error(&ureq::Error::Io(io))
        };
        let certificate = |error: CertificateError| tls(rustls::Error::InvalidCertificate(error));
        check(
            &certificate(CertificateError::UnknownIssuer),
            "its certificate is not of an authority that this system trusts",
            "SSL_CERT_FILE",
        );
        check(
            &certificate(CertificateError::Expired),
            "its certificate has expired",
            "renew",
        );
        check(
            &certificate(CertificateError::NotValidYet),
            "its certificate is not valid yet",
            "clocks",
        );
        check(
            &certificate(CertificateError::NotValidForName),
            "its certificate is not for the host in url",
            "subjectAltName",
        );
        let other = rustls::OtherError(Arc::new(io::Error::other("CaUsedAsEndEntity")));
        check(
            &certificate(CertificateError::Other(other)),
            "its certificate is that of an authority",
            "CA:FALSE",
        );
        check(
            &certificate(CertificateError::BadEncoding),
            "its certificate cannot be accepted: ",
            "s_client",
        );
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::HandshakeFailure);
        check(
            &tls(alert),
            "it has ended the TLS handshake with the alert HandshakeFailure",
            "log",
        );
        let plain = rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType);
        check(&tls(plain), "it does not speak TLS", "port in url");
        check(&tls(rustls::Error::DecryptError), "TLS has failed: ", "log");
    }

    #[test]
    fn a_status_says_what_to_do_next() {
        let status = |code: u16| of_status(StatusCode::from_u16(code).unwrap());
        check(
            &status(308),
            "it answered 308 Permanent Redirect, and redirects are not followed",
            "set url",
        );
        check(&status(401), "it answered 401 Unauthorized", "secret_file");
        check(&status(403), "it answered 403 Forbidden", "secret_file");
        check(&status(404), "it answered 404 Not Found", "path in url");
        check(&status(405), "it answered 405 Method Not Allowed", "POST");
        check(&status(418), "it answered 418", "log of its server");
        check(&status(429), "it answered 429", "limit");
        check(&status(500), "it answered 500 Internal Server Error", "log there");
        check(&status(503), "it answered 503", "log there");
        check(&status(101), "it answered 101", "200 to 299");
    }
}
