//! The session descriptions of a leg: what ours becomes by an offer, and whether an answer can be used.

use super::body_parts::read_sdp;
use super::env::Env;
use super::records::leg::{FixedMedia, Media};
use super::records::sealed::Sealed;
use super::refusal::Refusal;
use super::settings::Settings;
use super::socket::Socket;
use crate::sip::multipart::{self, Part};
use crate::sip::sdp::CONTENT_TYPE as SDP;
use crate::sip::sdp::{build, build_refusal, Direction, LocalMedia, Sdp, SdpError, Shape};
use crate::sip::{Headers, Request, Response};

/// What our description becomes.
pub struct Described {
    /// Its form.
    pub shape: Shape,
    /// It is an offer: the ACK has to bring the answer.
    pub offered: bool,
}

/// What an INVITE or UPDATE with SDP, or an INVITE without, makes of our description `media`.
///
/// # Errors
/// [`Refusal::Malformed`], [`Refusal::NoUsableMedia`], and what [`read_sdp`] gives; then everything
/// stays as it was (RFC 3261 section 14.2).
pub fn describe(
    request: &Request,
    settings: &Settings,
    media: &Media,
) -> Result<Described, Refusal> {
    // Only within a dialog there are lines to keep, and a connection that may stay.
    let again = request.to_tag.is_some();
    let Some(sdp) = read_sdp(request)? else {
        return Ok(Described {
            shape: match again {
                true => media.shape.offer_again(),
                false => Shape::offer(),
            },
            offered: true,
        });
    };
    let offer = Sdp::parse(&sdp).map_err(refused)?;
    let local = media.local(settings);
    let shape = match again {
        true => Shape::answering_again(&local, &offer),
        false => Shape::answering(&local, &offer),
    };
    Ok(Described {
        shape: shape.map_err(refused)?,
        offered: false,
    })
}

/// The SDP in a message that may carry an answer. Without a part of type application/sdp the first part is tried.
fn answer_in(headers: &Headers, body: &[u8]) -> Result<Option<Sdp>, String> {
    let parts = multipart::parts(headers, body).map_err(|error| error.to_string())?;
    let is_sdp = |part: &&Part| part.kind.kind == SDP;
    let Some(part) = parts.iter().find(is_sdp).or(parts.first()) else {
        return Ok(None);
    };
    let text = part.decoded().map_err(|error| error.to_string())?;
    let answer = Sdp::parse(&text).map_err(|error| error.to_string())?;
    Ok(Some(answer))
}

impl Media {
    /// The media of a new leg over `socket`; to be offered so unless the peer offers first.
    pub fn new(env: &Env<'_>, socket: Socket) -> Media {
        let fixed = FixedMedia {
            msrp_uri: env.settings.msrp_for(socket),
            session: env.token(),
            // RFC 4566 section 5.2: numeric, unique; kept below 2^62 so that old parsers read it as
            // signed.
            origin_id: ((env.random)() as u64) >> 2,
        };
        Media {
            fixed: Sealed::new(fixed),
            version: 1,
            shape: Shape::offer(),
            direction: Direction::SendRecv,
            absent: false,
        }
    }

    /// Which way messages flow by the answer to our offer that a message carries, seen from the focus.
    ///
    /// # Errors
    /// What makes the answer unusable, for the log.
    pub fn accepted(
        &self,
        headers: &Headers,
        body: &[u8],
        settings: &Settings,
    ) -> Result<Direction, String> {
        let answer = answer_in(headers, body)?.ok_or("no SDP")?;
        self.flow(&answer, settings)
    }

    /// As [`Media::accepted`], for the answer that an ACK has to carry. Clients that send nothing but a
    /// list to the factory leave the answer away: unless `strict`, they are in without any media.
    ///
    /// # Errors
    /// As [`Media::accepted`].
    pub fn accepted_by_ack(&self, ack: &Request, settings: &Settings) -> Result<Direction, String> {
        match answer_in(ack, &ack.body)? {
            Some(answer) => self.flow(&answer, settings),
            None if settings.strict => Err("no SDP".into()),
            None => Ok(Direction::Inactive),
        }
    }

    /// Our description as the answer to the offer that a 2xx has. `None`: it has none.
    ///
    /// # Errors
    /// What makes the offer unusable, for the log.
    pub fn answering(
        &self,
        response: &Response,
        settings: &Settings,
    ) -> Result<Option<Shape>, String> {
        let Some(offer) = answer_in(response, &response.body)? else {
            return Ok(None);
        };
        let shape = Shape::answering(&self.local(settings), &offer);
        shape.map(Some).map_err(|error| error.to_string())
    }

    /// The answer that refuses all media of the offer that a 2xx has. `None`: it has none, or nothing that
    /// could be read.
    pub fn refusing(&self, response: &Response, settings: &Settings) -> Option<Vec<u8>> {
        let offer = answer_in(response, &response.body).ok()??;
        build_refusal(&self.local(settings), &offer).ok()
    }

    fn flow(&self, answer: &Sdp, settings: &Settings) -> Result<Direction, String> {
        let usable = answer.usable_answer_to(&self.local(settings));
        usable
            .map(|answer| answer.direction.mirrored())
            .map_err(|error| error.to_string())
    }

    /// Our description as it stands.
    pub fn text(&self, settings: &Settings) -> Vec<u8> {
        build(&self.local(settings), &self.shape)
    }

    /// Takes on another form. The version of `o=` rises with every change, and only then (RFC 3264
    /// section 8).
    pub fn change(&mut self, shape: Shape) {
        if self.shape != shape {
            self.shape = shape;
            self.version = self.version.saturating_add(1);
        }
    }

    fn local(&self, settings: &Settings) -> LocalMedia {
        LocalMedia {
            msrp_uri: self.fixed.msrp_uri.clone(),
            session: self.fixed.session.clone(),
            origin_id: self.fixed.origin_id,
            version: self.version,
            fingerprint: settings.msrp_fingerprint.clone(),
            chatroom: settings.msrp_chatroom.clone(),
        }
    }
}

fn refused(error: SdpError) -> Refusal {
    match error {
        SdpError::Malformed(what) => Refusal::Malformed(format!("Malformed SDP: {what}")),
        SdpError::NoUsableMedia(what) => Refusal::NoUsableMedia(what.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_wherever_it_stands() {
        let sdp = "v=0\r\ns=-\r\n";
        let part =
            |kind: &str, body: &str| format!("--b\r\nContent-Type: {kind}\r\n\r\n{body}\r\n");
        let two = part("text/xml", "<x/>") + &part("application/sdp", sdp) + "--b--\r\n";
        for (kind, body, found) in [
            ("c: application/sdp", sdp, Ok(true)),
            ("c: multipart/mixed;boundary=b", &two, Ok(true)),
            ("s: no type", sdp, Ok(true)),
            ("s: no body", "", Ok(false)),
            ("c: text/plain", "hello", Err(())),
            ("c: multipart/mixed", &two, Err(())),
        ] {
            let headers = Headers::parse([kind.as_bytes()].into_iter()).unwrap();
            let answer = answer_in(&headers, body.as_bytes());
            let got = answer.map(|sdp| sdp.is_some()).map_err(|_| ());
            assert_eq!(got, found, "{kind}");
        }
    }
}
