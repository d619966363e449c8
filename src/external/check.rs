//! Tries the source of a configuration, for `homeportd check`: with a name and a password that it must refuse.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::ask;
use super::contact::SourceContact;
use crate::auth::external::settings::{ExternalProofKind, ExternalSettings};
use crate::auth::external::{ExternalProof, ExternalQuestion};
use crate::auth::password::generate::generate;
use crate::hooks::helper::{HookHelper, StartedHelper};
use crate::hooks::settings::ProgramOrAddress;
use crate::ops::check::report::Report;
use base::error::{Error, Result};

/// The longest time that the trial takes, even if sign-ins may take longer.
const TRIAL: Duration = Duration::from_secs(5);
/// The name that is asked about. Sources should know no such user.
pub const MADE_UP: &str = "homeport-check";

/// Asks the source about a made-up user, and reports what is wrong with its answer. `helper` runs its program.
pub async fn try_source(settings: &ExternalSettings, helper: Option<StartedHelper>, report: &mut Report) {
    if !settings.is_on() {
        return;
    }
    let label = ProgramOrAddress::of_external(settings).label();
    report.plan(format!(
        "ask {label} about each user whom no operator has added ([auth.external])"
    ));
    if !settings.proofs.contains(&ExternalProofKind::Password) {
        return;
    }
    match accepts_made_up_user(settings, helper).await {
        Ok(Ok(false)) => {}
        Ok(Ok(true)) => report.warn(format!(
            "[auth.external]: {label} accepts the user \"{MADE_UP}\" with a random password: does it accept everybody?"
        )),
        Ok(Err(why)) => report.warn(
            Error::new(format!(
                "[auth.external]: {label} has failed when it was asked about the user \"{MADE_UP}\", and so will the \
                 sign-ins that need it"
            ))
            .because(why),
        ),
        Err(error) => report.error(error),
    }
}

async fn accepts_made_up_user(
    settings: &ExternalSettings,
    helper: Option<StartedHelper>,
) -> Result<std::result::Result<bool, String>> {
    let helper = helper.map(HookHelper::connect).transpose()?;
    let settings = ExternalSettings {
        timeout_secs: settings.timeout_secs.min(TRIAL.as_secs()),
        ..settings.clone()
    };
    let contact = SourceContact::load(&settings, helper.clone())?;
    let question = ExternalQuestion {
        user: MADE_UP.parse()?,
        peer: IpAddr::V4(Ipv4Addr::LOCALHOST),
        proof: ExternalProof::Password(generate()?),
    };
    let listening = async {
        if let Some(helper) = &helper {
            helper.listen(|_| ()).await;
        }
        std::future::pending::<()>().await;
    };
    Ok(tokio::select! {
        () = listening => Err("the process that runs its program has ended".to_owned()),
        answered = ask(&contact, &question) => answered.map(|user| user.is_some()),
    })
}
