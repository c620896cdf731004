//! A REFER as it was written (RFC 3515 section 2, RFC 4488, RFC 5368): syntax only (P9 to P13, P17).

use super::option_tags::check_require;
use super::quirk::Quirk;
use super::recipient_list::{carries_list, purpose_of, read_list, ListPart};
use super::refusal::Refusal;
use super::targets::{Purpose, Target, TargetAddress, Targets};
use crate::sip::identity::Identity;
use crate::sip::refer_to::{ReferTarget, ReferTo, ReferToError};
use crate::sip::uri::Uri;
use crate::sip::{Method, ReferredBy, Request};

/// A REFER whose headers can be understood.
#[derive(Clone, Debug)]
pub struct ReferRequest {
    /// Its targets. The error of a list is kept here, because only an authorised referrer is told of it (P17).
    pub targets: Result<Targets, Refusal>,
    /// No subscription: `Refer-Sub: false` (RFC 4488) or `Require: nosub` (RFC 7614).
    pub suppressed: bool,
    /// It has `Refer-Sub: false`, which the answer repeats (RFC 4488 section 4).
    pub refer_sub_false: bool,
    /// Referred-By (RFC 3892), if it has one.
    pub referred_by: Option<ReferredBy>,
    /// Where NOTIFYs go when the REFER forms a dialog.
    pub contact: Option<Uri>,
    /// Unusual forms that were met.
    pub quirks: Vec<Quirk>,
}

impl ReferRequest {
    /// What is asked for. A list that cannot be read counts as one of people to invite.
    pub fn purpose(&self) -> Purpose {
        let targets = self.targets.as_ref();
        targets.map_or(Purpose::Invite, |targets| targets.purpose)
    }

    /// Reads a REFER; of a list with more than `most` entries no more than their number. `is_ourselves` tells URIs of the focus, its group and the factory, which stand
    /// for the list in the body (requirements section 11).
    ///
    /// # Errors
    /// [`Refusal::UnsupportedOption`], [`Refusal::Malformed`], [`Refusal::ReferToScheme`],
    /// [`Refusal::ReferToMethod`].
    pub fn read(
        request: &Request,
        forms_dialog: bool,
        most: usize,
        is_ourselves: &dyn Fn(&Uri) -> bool,
        identity: &dyn Fn(&Uri) -> Identity,
    ) -> Result<ReferRequest, Refusal> {
        check_require(request)?;
        let refer_to = request.refer_to();
        match refer_to {
            Err(ReferToError::Missing) => return Err(Refusal::malformed("Missing Refer-To")),
            Err(ReferToError::Several) => {
                return Err(Refusal::malformed("More than one Refer-To"));
            }
            _ => {}
        }
        let referred_by = request.referred_by().map_err(Refusal::malformed)?;
        let refer_sub = request.refer_sub().map_err(Refusal::malformed)?;
        let refer_to = refer_to.map_err(|error| match error {
            ReferToError::UnsupportedScheme(scheme) => Refusal::ReferToScheme(scheme),
            other => Refusal::malformed(other),
        })?;
        let refer_sub_false = refer_sub == Some(false);
        let suppressed = refer_sub_false || requires(request, "nosub");
        let contact = request.contact();
        let (targets, quirks) = read_targets(request, refer_to, most, is_ourselves, identity)?;
        // RFC 3515 section 2.2: Contact is mandatory. Without a subscription nobody misses it (N12).
        if forms_dialog && !suppressed && contact.is_none() {
            return Err(Refusal::malformed("Missing or malformed Contact"));
        }
        Ok(ReferRequest {
            targets,
            suppressed,
            refer_sub_false,
            referred_by,
            contact,
            quirks,
        })
    }
}

/// Reads the targets for step 3: one target from Refer-To (RFC 3515), or many from the list in the body
/// (RFC 5368).
fn read_targets(
    request: &Request,
    refer_to: ReferTo,
    most: usize,
    is_ourselves: &dyn Fn(&Uri) -> bool,
    identity: &dyn Fn(&Uri) -> Identity,
) -> Result<(Result<Targets, Refusal>, Vec<Quirk>), Refusal> {
    let met = refer_to.quirks.iter().copied().map(Quirk::ReferTo);
    let mut quirks: Vec<Quirk> = met.collect();
    let method = refer_to.method.as_ref();
    if refer_to.admin.is_some() {
        quirks.push(Quirk::RoleParameter);
    }
    let role = refer_to.admin.map(|admin| match admin {
        true => Purpose::GiveRole,
        false => Purpose::TakeRole,
    });
    let targets = match refer_to.target {
        ReferTarget::Uri(uri) if !(is_ourselves(&uri) && carries_list(request)) => {
            let target = Target::with_headers(TargetAddress::Uri(uri), &refer_to.headers);
            let purpose = match (purpose_of(method.unwrap_or(&Method::Invite))?, role) {
                (Purpose::Invite, Some(role)) => role,
                (_, Some(_)) => return Err(Refusal::malformed("admin does not go with BYE")),
                (purpose, None) => purpose,
            };
            return Ok((Ok(Targets::plain(purpose, vec![target])), quirks));
        }
        // It is nobody's wish to give the role to a crowd, and no client writes it so.
        _ if role.is_some() => return Err(Refusal::malformed("admin does not go with a list")),
        ReferTarget::Uri(_) => {
            quirks.push(Quirk::ListWithoutCid);
            read_list(request, &ListPart::Any, method, most, identity)
        }
        ReferTarget::ContentId(cid) => {
            read_list(request, &ListPart::Named(&cid), method, most, identity)
        }
    };
    if !requires(request, "multiple-refer") {
        quirks.push(Quirk::ListWithoutRequire);
    }
    if let Ok(targets) = &targets {
        quirks.extend(&targets.quirks);
    }
    Ok((targets, quirks))
}

fn requires(request: &Request, option_tag: &str) -> bool {
    let required = request.tokens("Require");
    required.iter().any(|tag| tag == option_tag)
}
