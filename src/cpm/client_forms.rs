//! Forms of the focus' INVITE without which some clients do not come (parameter `client_forms`): set by the
//! operator, shown by a session's creator, or found out by trying.

use serde::{Deserialize, Serialize};

use crate::sip::params::{self, Params};
use crate::sip::{Headers, Request};

/// Feature tag of a client that exchanges text (RFC 3840 section 10).
const TEXT: &str = "text";
/// Feature tag of OMA SIMPLE IM, which CPM succeeded.
const SIP_IM: &str = "+g.oma.sip-im";
/// Feature tag by which liblinphone shows itself.
const LINPHONE: &str = "+org.linphone.specs";

/// What an INVITE of the focus has beyond the usual.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientForms {
    /// Contact has the feature tag `text` (RFC 3840).
    pub text: bool,
    /// Contact and Accept-Contact have the feature tag `+g.oma.sip-im`.
    pub sip_im: bool,
    /// No offer: the target's 2xx has it, and our ACK the answer (RFC 3261 section 13.2.1).
    pub no_offer: bool,
}

impl ClientForms {
    /// Reads the parameter: words with blanks or commas between them.
    ///
    /// # Errors
    /// The first word that is none of `text`, `sip-im` and `no-offer`.
    pub fn read(words: &str) -> Result<ClientForms, String> {
        let mut forms = ClientForms::default();
        let words = words.split([' ', ',']).filter(|word| !word.is_empty());
        for word in words {
            match word {
                "text" => forms.text = true,
                "sip-im" => forms.sip_im = true,
                "no-offer" => forms.no_offer = true,
                other => return Err(other.to_owned()),
            }
        }
        Ok(forms)
    }

    /// What the INVITE of a session's creator shows of itself: its friends have the same client, mostly.
    pub fn shown_by(request: &Request) -> ClientForms {
        let contact = contact_params(request);
        let im = |params: &Params| has(params, SIP_IM);
        let accepts_im = || {
            let wanted = request.list("Accept-Contact");
            let mut wanted = wanted.iter().filter_map(|value| {
                let behind = value.split(|byte| *byte == b';').next()?.len();
                params::parse(value.get(behind..)?).ok()
            });
            wanted.any(|params| im(&params))
        };
        ClientForms {
            text: has(&contact, TEXT),
            sip_im: im(&contact) || accepts_im(),
            no_offer: false,
        }
    }

    /// Both together.
    pub fn and(self, other: ClientForms) -> ClientForms {
        ClientForms {
            text: self.text || other.text,
            sip_im: self.sip_im || other.sip_im,
            no_offer: self.no_offer || other.no_offer,
        }
    }

    /// The other form, for a target that answers 488 to this one.
    pub fn other(self) -> ClientForms {
        ClientForms {
            text: !self.text,
            ..self
        }
    }

    /// Feature parameters of the Contact, as they follow the usual ones.
    pub fn contact_params(self) -> String {
        let mut params = String::new();
        for (wanted, tag) in [(self.text, TEXT), (self.sip_im, SIP_IM)] {
            if wanted {
                params.push(';');
                params.push_str(tag);
            }
        }
        params
    }

    /// One more value of Accept-Contact (RFC 3841 section 9.2).
    pub fn accept_contact(self) -> Option<String> {
        self.sip_im.then(|| format!("*;{SIP_IM}"))
    }
}

/// Whether the peer is a client that takes a BYE with `Reason: SIP;cause=410` for its own failure to leave,
/// and goes on showing the group: liblinphone, which says so in its Contact.
pub fn fails_on_410(message: &Headers) -> bool {
    // Most Contacts need not be read for that.
    let shows = |contact: &Vec<u8>| {
        let mut words = contact.windows(LINPHONE.len());
        words.any(|word| word.eq_ignore_ascii_case(LINPHONE.as_bytes()))
    };
    message.values("Contact").iter().any(shows) && has(&contact_params(message), LINPHONE)
}

fn contact_params(message: &Headers) -> Params {
    message.contact_addr().map_or(Params::new(), |it| it.params)
}

fn has(params: &Params, tag: &str) -> bool {
    params.iter().any(|(name, _)| name == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn invite(contact: &str, more: &str) -> Request {
        let text = format!(
            "INVITE sip:factory@conf.home1.test SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\
             From: <sip:a@b>;tag=1\r\nTo: <sip:factory@conf.home1.test>\r\nCall-ID: 1\r\nCSeq: 1 INVITE\r\n\
             Max-Forwards: 70\r\nContact: {contact}\r\n{more}Content-Length: 0\r\n\r\n"
        );
        Request::parse(text.as_bytes(), false).expect("a request")
    }

    #[test]
    fn a_creator_shows_what_its_client_is() {
        let none = ClientForms::default();
        let text = ClientForms { text: true, ..none };
        let sip_im = ClientForms {
            sip_im: true,
            ..none
        };
        for (contact, more, shown) in [
            ("<sip:a@b>", "", none),
            ("<sip:a@b;text>", "", none),
            (
                "<sip:a@b;gr=urn:uuid:1>;text;+org.linphone.specs=\"ephemeral/1.1,groupchat\"",
                "",
                text,
            ),
            ("<sip:a@b>;+G.OMA.SIP-IM", "", sip_im),
            (
                "<sip:a@b>",
                "Accept-Contact: *;+g.oma.sip-im;require;explicit\r\n",
                sip_im,
            ),
            (
                "<sip:a@b>",
                "a: *;+g.3gpp.icsi-ref=\"x\", *;+g.oma.sip-im\r\n",
                sip_im,
            ),
            (
                "<sip:a@b>",
                "Accept-Contact: *\r\nAccept-Contact: ;;\"\r\n",
                none,
            ),
        ] {
            assert_eq!(
                ClientForms::shown_by(&invite(contact, more)),
                shown,
                "{contact} {more}"
            );
        }
        assert!(fails_on_410(&invite(
            "<sip:a@b>;+org.linphone.specs=\"x\"",
            ""
        )));
        assert!(!fails_on_410(&invite("<sip:a@b;+org.linphone.specs>", "")));
    }

    #[test]
    fn words_are_read_or_named() {
        let all = ClientForms {
            text: true,
            sip_im: true,
            no_offer: true,
        };
        assert_eq!(ClientForms::read("text, sip-im no-offer"), Ok(all));
        assert_eq!(ClientForms::read(""), Ok(ClientForms::default()));
        assert_eq!(ClientForms::read("text voice"), Err("voice".to_owned()));
        assert_eq!(all.contact_params(), ";text;+g.oma.sip-im");
        assert_eq!(all.other().contact_params(), ";+g.oma.sip-im");
    }
}
