//! Proving again who one is: what hands out rights asks a browser for its user's password once more, so that a browser
//! that was left open is not enough. Failures are counted, held back and reported like those of a sign-in.

use super::app::WebApp;
use super::error::{WebError, WebErrorKind};
use super::users::WebUser;
use crate::auth::{Attempt, Credential, Denial, Proofs};
use crate::domain::event::Event;
use base::secret::Secret;

/// Checks the password that the user of a browser gives again, and returns the proof.
///
/// # Errors
/// Returns an error if there is none, or if it is wrong; a wrong one is answered as late as at a sign-in.
pub(super) async fn password(
    app: &WebApp,
    user: &WebUser,
    password: Option<&Secret>,
) -> Result<Proofs, WebError> {
    let Some(password) = password else {
        return Err(WebError::new(
            WebErrorKind::PasswordRequired,
            "this hands out rights: give your own password once more",
        )
        .hint("current_password"));
    };
    let credential = Credential::Password(password);
    judge(app, user, credential, Proofs::default())
        .await
        .map_err(|WrongProof| {
            WebError::new(
                WebErrorKind::PasswordRequired,
                "this is not your password; nothing was changed",
            )
        })
}

/// Checks a code of the user's second factor, after the password. The code is used up then.
///
/// # Errors
/// Returns an error if it is wrong, which is answered as late as at a sign-in.
pub(super) async fn code(
    app: &WebApp,
    user: &WebUser,
    passed: Proofs,
    code: &Secret,
) -> Result<(), WebError> {
    judge(app, user, Credential::Code(code), passed)
        .await
        .map(drop)
        .map_err(|WrongProof| {
            WebError::new(
                WebErrorKind::PasswordRequired,
                "this code is not right, or was used before; nothing was changed",
            )
            .hint("wait for the next code of your device, or give a recovery code")
        })
}

/// The credential was not accepted.
struct WrongProof;

async fn judge(
    app: &WebApp,
    user: &WebUser,
    credential: Credential<'_>,
    passed: Proofs,
) -> Result<Proofs, WrongProof> {
    let attempt = Attempt {
        user: user.login().user().as_str(),
        peer: user.visitor.address.ip(),
        credential,
        passed,
        offered: None,
    };
    match app.service.auth.login(attempt).await {
        Ok(login) => Ok(login.proofs().clone()),
        Err(Denial::Partial { passed, .. } | Denial::PasswordExpired { passed }) => Ok(passed),
        Err(Denial::Failed { reason, answer_at }) => {
            app.service.events.emit(&Event::Denied {
                peer: user.visitor.address,
                user: user.login().user().to_string(),
                method: "password",
                code: reason.code(),
                reason: reason.to_string(),
            });
            tokio::time::sleep_until(answer_at).await;
            Err(WrongProof)
        }
    }
}
