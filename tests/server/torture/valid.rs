//! RFC 4475 section 3.1.1: messages that are valid, however they look. All are served.

use super::rows::Outcome::*;
use super::rows::{started, Ground, Row, ALICE, AUDIO};
use crate::kit::Msg;

const VICTIM: &str = "sip:victim@home1.test";

pub const ROWS: &[Row] = &[
    Row {
        section: "3.1.1.1",
        what: "a short tortuous request",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| tortuous(g, "0009 REFER"),
    },
    Row {
        // Kamailio's core refuses a fold between number and method.
        section: "3.1.1.1",
        what: "a short tortuous request, CSeq folded",
        outcome: Dropped,
        stream: true,
        message: |g| tortuous(g, "0009\r\n  REFER"),
    },
    Row {
        section: "3.1.1.2",
        what: "a wide range of valid characters",
        outcome: Invites(WEIRD),
        stream: true,
        message: |g| wide(g.refer().with("Refer-To", format!("<{WEIRD}>")), g).to_bytes(),
    },
    Row {
        section: "3.1.1.2",
        what: "a method of valid characters that nobody knows",
        outcome: Refused(&[405, 501]),
        stream: true,
        message: |g| wide(g.request("!interesting-Method0123456789_*+`.%indeed'~"), g).to_bytes(),
    },
    Row {
        // Kamailio's core takes letters, digits and little more in the name of a header.
        section: "3.1.1.2",
        what: "a header whose name is of valid characters nobody uses",
        outcome: Dropped,
        stream: true,
        message: |g| g.refer().and("extensionHeader-!.%*+_`'~", "x").to_bytes(),
    },
    Row {
        section: "3.1.1.3",
        what: "valid use of the % escaping mechanism",
        outcome: Invites("sip:sips%3Auser%40example.com@home1.test"),
        stream: true,
        message: |g| {
            g.refer()
                .with("To", "sip:%75se%72@example.com")
                .with(
                    "From",
                    format!("<sip:I%20have%20spaces@example.net>;tag={}", g.token),
                )
                .with(
                    "Contact",
                    "\r\n  <sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31>",
                )
                .with("Refer-To", "<sip:sips%3Auser%40example.com@home1.test>")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.4",
        what: "escaped NULs in URIs",
        outcome: Invites("sip:null-%00-null@home1.test"),
        stream: true,
        message: |g| {
            g.refer()
                .with("To", "sip:null-%00-null@example.com")
                .with(
                    "From",
                    format!("sip:null-%00-null@example.com;tag={}", g.token),
                )
                .with("Contact", "<sip:%00@host5.example.com>")
                .and("Contact", "<sip:%00%00@host5.example.com>")
                .with("Refer-To", "<sip:null-%00-null@home1.test>")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.5",
        what: "% where it is no escape: this is not the method REFER",
        outcome: Refused(&[405, 501]),
        stream: true,
        message: |g| {
            g.request("RE%46E%52")
                .with("To", "\"%Z%45\" <sip:resource@example.com>")
                .with(
                    "From",
                    format!("\"%Z%45\" <sip:resource@example.com>;tag={}", g.token),
                )
                .and("Refer-To", format!("<{VICTIM}>"))
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.5",
        what: "% where it is no escape, in a branch and a display name",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with("To", "\"%Z%45\" <sip:resource@example.com>")
                .with(
                    "Via",
                    format!("{};branch=z9hG4bK209%fzsnel{}", g.via, g.token),
                )
                .to_bytes()
        },
    },
    Row {
        // No second Refer-To; Kamailio's core takes no % in the name of a header.
        section: "3.1.1.5",
        what: "% where it is no escape, in the name of a header",
        outcome: Dropped,
        stream: true,
        message: |g| {
            g.refer()
                .and("Re%66er-To", "<sip:other@home1.test>")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.6",
        what: "no blank before <",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .with(
                    "From",
                    format!("caller<sip:caller@example.com>;tag={}", g.token),
                )
                .with("Refer-To", format!("Victim<{VICTIM}>"))
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.6",
        what: "no blank before <, as OPTIONS",
        outcome: Accepted,
        stream: true,
        message: |g| {
            g.request("OPTIONS")
                .with(
                    "From",
                    format!("caller<sip:caller@example.com>;tag={}", g.token),
                )
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.7",
        what: "long values in header fields",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            let long = |word: &str, times| word.repeat(times);
            let mut refer = g.refer();
            for n in (1..=33).rev() {
                let name = ["Via", "v", "V", "ViA", "VIA", "vIa", "v "][n % 7];
                refer = refer.and(name, format!("SIP/2.0/TCP sip{n}.example.com"));
            }
            refer
                .and(
                    "Via",
                    format!("SIP/2.0/TCP host.example.com;received=192.0.2.5;branch={}", long("verylong", 25)),
                )
                .with(
                    "To",
                    format!(
                        "\"I have a user name of {} proportion\"<sip:user@example.com:6000;unknownparam1={}value;{}name=shortvalue;\
                         very{}ParameterNameWithNoValue>",
                        long("extreme", 10), long("long", 20), long("name", 25), long("long", 25)
                    ),
                )
                .with(
                    "From",
                    format!(
                        "sip:{}@example.net;tag={}{};unknownheaderparam{}=unknowheaderparam{};unknownValueless{}",
                        long("amazinglylongcallername", 5), g.token, long("12982", 33), long("name", 18), long("value", 15),
                        long("paramname", 10)
                    ),
                )
                .with("Call-ID", format!("longreq.one{}longcallid.{}", long("really", 20), g.token))
                .with("Contact", format!("<sip:{}@host5.example.net>", long("amazinglylongcallername", 5)))
                .and(&format!("Unknown-{}-Name", long("Long", 20)), format!("unknown-{0}-value; unknown-{0}-name = x", long("long", 20)))
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.8",
        what: "octets behind the message in a datagram",
        outcome: Invites(VICTIM),
        // On a stream they are the next message.
        stream: false,
        message: |g| {
            let mut message = g.refer().and("Content-Length", "0").to_bytes();
            message.extend_from_slice(b"\r\n");
            let second = g.refer().with("Refer-To", "<sip:joe@home1.test>");
            message.extend(second.with("Call-ID", "dblreq.second").to_bytes());
            message
        },
    },
    Row {
        section: "3.1.1.9",
        what: "semicolons in the user part",
        outcome: Invites("sip:user;par=u%40example.net@home1.test"),
        stream: true,
        message: |g| {
            g.refer()
                .with("Refer-To", "<sip:user;par=u%40example.net@home1.test>")
                .with("Max-Forwards", "3")
                .with(
                    "Accept",
                    "application/sdp, application/pkcs7-mime,\r\n        multipart/mixed, multipart/signed,\r\n        \
                     message/sip, message/sipfrag",
                )
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.10",
        what: "varied and unknown transports",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            g.refer()
                .and("Via", "SIP/2.0/SCTP t2.example.com;branch=z9hG4bKklasjdhf")
                .and("Via", "SIP/2.0/TLS t3.example.com;branch=z9hG4bK2980unddj")
                .and(
                    "Via",
                    "SIP/2.0/UNKNOWN t4.example.com;branch=z9hG4bKasd0f3en",
                )
                .and("Via", "SIP/2.0/TCP t5.example.com;branch=z9hG4bK0a9idfnee")
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.11",
        what: "a multipart with NULs in a part",
        outcome: Invites(VICTIM),
        stream: true,
        message: |g| {
            let list = format!(
                "--7a9cbec02ceef655\r\nContent-Type: application/resource-lists+xml\r\nContent-ID: <list@home1.test>\r\n\
                 Content-Disposition: recipient-list\r\n\r\n<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\">\
                 <list><entry uri=\"{VICTIM}\"/></list></resource-lists>\r\n"
            );
            let binary: Vec<u8> = (0..=255).cycle().take(600).collect();
            let body = [
                b"--7a9cbec02ceef655\r\nContent-Type: application/octet-stream\r\n\
                  Content-Disposition: attachment; handling=optional; filename=smime.p7s\r\n\r\n",
                &binary[..],
                b"\r\n",
                list.as_bytes(),
                b"--7a9cbec02ceef655--\r\n",
            ]
            .concat();
            g.refer()
                .with("Refer-To", "<cid:list@home1.test>")
                .with("Require", "multiple-refer")
                .body("multipart/mixed;boundary=7a9cbec02ceef655", body)
                .to_bytes()
        },
    },
    Row {
        section: "3.1.1.12",
        what: "an unusual reason phrase in an answer to nothing",
        outcome: Dropped,
        stream: true,
        message: |g| {
            let phrase = "= 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e} \u{434}\u{435}\u{432}\u{44f}\u{43d}\u{43e}\u{441}\u{442}\u{43e} \
                          \u{434}\u{435}\u{432}\u{44f}\u{442}\u{44c} - \u{43f}\u{440}\u{43e}\u{441}\u{442}\u{43e}\u{435}";
            started(g.request("INVITE"), &format!("SIP/2.0 200 {phrase}"))
        },
    },
    Row {
        section: "3.1.1.13",
        what: "no reason phrase in an answer to nothing",
        outcome: Dropped,
        stream: true,
        message: |g| started(g.request("INVITE"), "SIP/2.0 100 "),
    },
];

fn tortuous(g: &Ground, cseq: &str) -> Vec<u8> {
    format!(
        "REFER {};unknownparam SIP/2.0\r\nTO :\r\n sip:vivekg@chair-dnrc.example.com ;   x    = 1918181833n\r\n\
         from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n\
         MaX-fOrWaRdS: 0068\r\nCall-ID: wsinv.{}@192.0.2.1\r\nContent-Length   : {}\r\ncseq: {cseq}\r\n\
         Via  : SIP  /   2.0\r\n /{}\r\n    {};branch=390skdjuw\r\ns :\r\nNewFangledHeader:   newfangled value\r\n \
         continued newfangled value\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\nContent-Type: application/sdp\r\n\
         Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n\
         v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  \
         192.168.255.111   ; branch=\r\n z9hG4bK30239\r\nm:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; \
         newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\nr   :\r\n\t<{VICTIM}>\r\nrefer-SUB:\r\n false\r\n\
         p-asserted-IDENTITY :\r\n <{ALICE}>\r\n\r\n{AUDIO}",
        g.focus, g.token, AUDIO.len(), g.transport, g.local
    )
    .into_bytes()
}

const WEIRD: &str =
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com";

fn wide(msg: Msg, g: &Ground) -> Msg {
    msg.with("Via", format!("{};branch=z9hG4bK-.!%66*_+`'~{}", g.via, g.token))
        .with("To", format!("\"BEL:\\\u{7} NUL:\\\0 DEL:\\\u{7f}\" <{WEIRD}>"))
        .with(
            "From",
            format!(
                "token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\u{430}\u{431}\";\
                 tag=_token~1'+`*%!-.{}",
                g.token
            ),
        )
        .with("Call-ID", format!("intmeth.{}word%ZK-!.*_+'@word`~)(><:\\/\"][?}}{{", g.token))
        .with("Max-Forwards", "255")
        .and("extensionHeader", "\u{feff}\u{5927}\u{505c}\u{96fb}")
}
