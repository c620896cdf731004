//! Valid inputs to begin with: what real clients send (requirements section 11) and vectors of the RFCs (section 6).
//! Not here: what the fuzzing found, which is in files below `seeds/`.

fn all(texts: &[&str]) -> Vec<Vec<u8>> {
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

const URIS: &[&str] = &[
    "sip:alice@home1.test",
    "sips:alice:secret@Home1.TEST:5061;transport=tcp;lr",
    "sip:+33612345678@dom.test;user=phone",
    "tel:+358-555-1234567;npdi",
    "tel:7042;phone-context=example.com",
    "sip:c@x;method=BYE?Subject=a%20b&Route=%3Csip:x%3E",
    "sip:null-%00-null@example.com",
    "sip:sips%3Auser%40example.com@example.net",
    "sip:user;par=u%40example.net@example.com",
    "sip:user@[2001:db8::10]:5070;x",
    "sip:user@[::ffff:192.0.2.10]",
    "sip:[2001:db8:::192.0.2.1]",
    "sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com",
    "sip:x@y.test;gr=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
    "sip:x;method=INVITE?Session-Replaces=0123",
    "cid:list@x",
    "http://example.com",
];

pub fn uris() -> Vec<Vec<u8>> {
    all(URIS)
}

pub fn uri_pairs() -> Vec<Vec<u8>> {
    let same = URIS.iter().map(|uri| format!("{uri}\n{uri}").into_bytes());
    let more = [
        "sip:%61lice@atlanta.com;transport=TCP\nsip:alice@AtlanTa.CoM;Transport=tcp",
        "sip:carol@chicago.com;newparam=5\nsip:carol@chicago.com;security=on",
        "tel:+3581\nsip:+358-1@any.test;user=phone",
        "sip:a@[::1]\nsip:a@[0:0::1]",
    ];
    same.chain(all(&more)).collect()
}

pub fn addresses() -> Vec<Vec<u8>> {
    all(&[
        "\"J Rosenberg \\\\\\\"\" <sip:jdrosen@example.com> ; tag = 98asjd8",
        "caller<sip:caller@example.com>;tag=323",
        "sip:b@example.com;opaque=urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6;grid=99a",
        "<tel:+33612345678>",
        "token1~` token2'+_ token3*%!.- <sip:mundane@example.com>;fromParam''~+*_!.-%=\"\u{440}\";tag=_token~1'+`*%!-.",
        "<sip:referror@referror.example>;cid=\"20398823.2UWQFN309shb3@referror.example\"",
        "sip:a@b",
        "\"%Z%45\" <sip:resource@example.com>;tag=f232jadfj23",
        "*",
    ])
}

pub fn params() -> Vec<Vec<u8>> {
    all(&[
        ";tag=a1;x",
        " ; newparam =newvalue ;; secondparam ; q = 0.33",
        ";members=<cid:x@y>;a=\"b;\\\"c\"",
        ";+g.3gpp.icsi-ref=\"urn%3Aurn-7%3A3gpp-service.ims.icsi.oma.cpm.session.group\";isfocus",
    ])
}

pub fn refer_tos() -> Vec<Vec<u8>> {
    all(&[
        "<sip:+33612345678@dom.test>;user=phone",
        "<tel:+33612345678>",
        "<cid:Id_1700000000000@dom.test>",
        "<cid:x@y>;method=INVITE",
        "<cid:x@y;method=BYE>",
        "<cid:%3Cx@y%3E>",
        "<sip:x@y.test>;text",
        "<sip:x@y.test>;method=INVITE;isfocus;admin=true",
        "<sip:x@y.test;method=BYE>;text",
        "sip:bob@host.test;method=INVITE",
        "sip:bob@host.test",
        "<sip:factory@conf.test>;method=INVITE",
        "<sip:c@x?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994>",
        "\"Carol\" <sip:c@x?Route=%3Csip:evil%3E&From=x&method=BYE>",
        "<http://example.com>",
    ])
}

pub fn refer_subs() -> Vec<Vec<u8>> {
    all(&["false", "TRUE", "FALSE;x=y", "true ; a=\"b,c\""])
}

pub fn privacies() -> Vec<Vec<u8>> {
    all(&[
        "id",
        "header;user;critical",
        "none",
        "ID ; none",
        "id\nnone",
        "history",
    ])
}

pub fn content_types() -> Vec<Vec<u8>> {
    all(&[
        "application/sdp",
        "Multipart / Mixed ; boundary=\"a;b\"",
        "application/resource-lists+xml;charset=\"UTF-8\"",
        "recipient-list;handling=optional",
        "recipient-list",
    ])
}

pub fn texts() -> Vec<Vec<u8>> {
    all(&[
        "OK|<sip:c@x>",
        "a\"b\\c|119 Anonymity not allowed",
        "conf.test|\r\nVia: x\0\u{2028}",
        "--cpm-part-0\r\n|--cpm-part-1--|\r\n",
    ])
}

const LIST: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n\
<resource-lists xmlns=\"urn:ietf:params:xml:ns:resource-lists\" xmlns:cp=\"urn:ietf:params:xml:ns:copycontrol\">\r\n\
<list><entry uri=\"sip:bill@example.com\" cp:copyControl=\"to\"/><entry uri=\"sip:joe@example.org?method=BYE\"/>\
<entry uri=\"tel:+33612345678\" cp:copyControl=\"cc\" cp:anonymize=\"true\"><display-name>Ted &amp; co</display-name></entry>\
</list></resource-lists>";

pub fn lists() -> Vec<Vec<u8>> {
    let mut lists = all(&[
        LIST,
        "<p1:resource-lists xmlns:p1='urn:ietf:params:xml:ns:resource-lists'><p1:list><p1:entry uri='sip:x@y;method=INVITE?Session-Replaces=1'/>\
         <p1:list><p1:entry uri='sip:z@y'/></p1:list></p1:list></p1:resource-lists>",
        "<resource-lists xmlns='urn:ietf:params:xml:ns:resource-lists' xmlns:c='urn:ietf:params:xml:ns:copyControl'><list>\
         <entry uri='sip:anonymous@anonymous.invalid' c:copyControl='to' c:count='2'/><entry uri='sip:A@x' c:copyControl='to'/>\
         <entry uri='sip:%41@X' c:copyControl='cc'/><entry uri='mailto:x@y'/><entry-ref ref='x'/></list></resource-lists>",
    ]);
    lists.push([b"\xef\xbb\xbf", LIST.as_bytes()].concat());
    lists
}

pub fn multiparts() -> Vec<Vec<u8>> {
    let list = format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b\r\nContent-Type: application/resource-lists+xml\r\n\
         Content-Disposition: recipient-list\r\nContent-ID: <list@x>\r\n\r\n{LIST}\r\n--b--\r\n"
    );
    let nested = "preamble\r\n--b\r\nContent-Type: multipart/alternative;boundary=\"c\"\r\n\r\n--c\r\nContent-Type: text/plain\r\n\
                  Content-Transfer-Encoding: base64\r\n\r\nAAAA\r\n--c\r\n\r\nx\r\n--c--\r\n--b\r\nContent-Type: application/octet-stream\r\n\
                  Content-Encoding: gzip\r\nContent-Disposition: render;handling=optional\r\n\r\n\0\x01\r\n--b--\r\n";
    all(&[&list, nested])
}

/// `abcabcabc…` in each encoding, behind the octet that chooses it.
pub fn encoded() -> Vec<Vec<u8>> {
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use flate2::Compression;
    use std::io::Write;
    fn done<W: Write>(mut encoder: W, body: &[u8], finish: impl Fn(W) -> Vec<u8>) -> Vec<u8> {
        encoder.write_all(body).expect("a Vec can be written to");
        finish(encoder)
    }
    let level = Compression::default();
    let mut seeds = Vec::new();
    for body in [b"abc".repeat(20), vec![b'x'; 100_000], Vec::new()] {
        let zlib = done(ZlibEncoder::new(Vec::new(), level), &body, |e| {
            e.finish().expect("a Vec can be written to")
        });
        let raw = done(DeflateEncoder::new(Vec::new(), level), &body, |e| {
            e.finish().expect("a Vec can be written to")
        });
        let gzip = |body: &[u8]| {
            done(GzEncoder::new(Vec::new(), level), body, |e| {
                e.finish().expect("a Vec can be written to")
            })
        };
        for (first, packed) in [
            (0, zlib.clone()),
            (0, raw),
            (1, gzip(&body)),
            (2, gzip(&body)),
            (
                3,
                done(ZlibEncoder::new(Vec::new(), level), &gzip(&body), |e| {
                    e.finish().expect("a Vec can be written to")
                }),
            ),
            (4, zlib),
            (5, body),
        ] {
            seeds.push([&[first], &packed[..]].concat());
        }
    }
    seeds
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=message 2855 TCP/MSRP *\r\n\
a=accept-types:message/cpim\r\na=accept-wrapped-types:*\r\na=path:msrp://127.0.0.1:2855/s1;tcp\r\na=setup:actpass\r\na=sendrecv\r\n";

pub fn descriptions() -> Vec<Vec<u8>> {
    all(&[
        SDP,
        "v=0\no=mhandley 29739 7272939 IN IP4 192.0.2.3\ns=-\nc=IN IP4 192.0.2.4\nt=0 0\nm=audio 49217 RTP/AVP 0 12\n\
         m=video 3227 RTP/AVP 31\na=rtpmap:31 LPC\n",
        "v=0\r\no=a 1 2 IN IP6 2001:db8::20\r\ns=-\r\nt=0 0\r\na=chatroom:nickname private-messages\r\na=setup:passive\r\n\
         m=audio 9 RTP/AVP 0\r\nc=IN IP6 ::1\r\nm=message 9 TCP/TLS/MSRP *\r\na=accept-types:* text/plain\r\n\
         a=path:msrps://relay.test:443/a;tcp msrps://[::1]:9/b;tcp\r\na=inactive\r\na=connection:existing\r\n",
    ])
}

pub fn msrp_paths() -> Vec<Vec<u8>> {
    all(&[
        "msrp://127.0.0.1:2855",
        "msrps://[2001:db8::1]:443/asfd34;tcp",
        "msrp://alice@host.test/s/x;tcp;a=b",
        "conf.test",
    ])
}

/// A request in its usual frame, with further headers and a body.
fn framed(method: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} sip:f@x SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:alice@home1.test>;tag=a1\r\nTo: <sip:f@x>\r\nCall-ID: c1@192.0.2.1\r\nCSeq: 5 {method}\r\n\
         Contact: <sip:alice@192.0.2.1>\r\nP-Asserted-Identity: <sip:alice@home1.test>, <tel:+3581>\r\n{headers}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

pub fn requests() -> Vec<Vec<u8>> {
    let mut all = vec![
        // The RCS reference client.
        framed(
            "REFER",
            "Require: multiple-refer,norefersub\r\nRefer-To: <cid:Id_1700000000000@x>\r\nRefer-Sub: false\r\n\
             Contribution-ID: 0123\r\nSubject: group\r\nP-Preferred-Identity: <sip:alice@home1.test>\r\n\
             Content-ID: <Id_1700000000000@x>\r\nContent-Disposition: recipient-list\r\n\
             Content-Type: application/resource-lists+xml\r\n",
            &LIST.replace("?method=BYE", ""),
        ),
        framed(
            "REFER",
            "Refer-To: <sip:+33612345678@dom.test>;user=phone\r\nRefer-Sub: false\r\n",
            "",
        ),
        // A desktop client; a telephone with the factory as target.
        framed(
            "REFER",
            "r: <sip:x@y.test;method=BYE>;text\r\nReferred-By: sip:alice@home1.test\r\n",
            "",
        ),
        framed(
            "REFER",
            "Refer-To: <sip:f@x>;method=INVITE\r\nContent-Type: application/resource-lists+xml\r\n",
            LIST,
        ),
        // The creation of a group.
        framed(
            "INVITE",
            "Require: recipient-list-invite\r\nContent-Type: application/resource-lists+xml\r\n",
            LIST,
        ),
        framed("INVITE", "c: application/sdp\r\n", SDP),
    ];
    for body in multiparts() {
        all.push(framed(
            "REFER",
            "Require: multiple-refer\r\nRefer-To: <cid:list@x>\r\nContent-Type: multipart/mixed;boundary=b\r\n",
            &String::from_utf8_lossy(&body),
        ));
    }
    // RFC 4488 section 6; RFC 4475 section 3.1.1.1 as a REFER.
    all.push(
        b"REFER sip:pubs@example.com SIP/2.0\r\nVia: SIP/2.0/TCP issuer.example.com;branch=z9hG4bK-a-1\r\n\
          From: <sip:a@example.com>;tag=1a\r\n\
          To: sip:b@example.com;opaque=urn:uuid:f8;grid=99a\r\nCall-ID: 1@issuer.example.com\r\nCSeq: 234234 REFER\r\n\
          Max-Forwards: 70\r\nRefer-To: <sip:c@example.com;method=INVITE>\r\nRefer-Sub: false\r\nSupported: norefersub\r\n\
          Contact: sip:a@issuer.example.com\r\nContent-Length: 0\r\n\r\n"
            .to_vec(),
    );
    all.push(
        b"REFER sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\nTO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n\
          from   : \"J Rosenberg \\\\\\\"\"       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\nMaX-fOrWaRdS: 0068\r\n\
          Call-ID: wsinv.ndaksdj@192.0.2.1\r\nContent-Length   : 4\r\ncseq: 0009\r\n  REFER\r\nVia  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n\
          s :\r\nNewFangledHeader:   newfangled value\r\n continued newfangled value\r\nUnknownHeaderWithUnusualValue: ;;,,;;,;\r\n\
          r:\r\n <sip:c@x>\r\nv:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n\
          m:\"Quoted string \\\"\\\"\" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n  secondparam ; q = 0.33\r\n\r\nbody"
            .to_vec(),
    );
    all
}

pub fn responses() -> Vec<Vec<u8>> {
    all(&[
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:f@x>;tag=f1\r\nTo: <sip:c@x>;tag=c1\r\n\
         Call-ID: c1\r\nCSeq: 1 INVITE\r\nContact: <sip:c@192.0.2.9>\r\nRecord-Route: <sip:p1;lr>, \"p\" <sip:p2;lr>;x=y\r\n\
         P-Asserted-Identity: <tel:+3581>\r\nContent-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        "SIP/2.0 100 \r\nVia: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\r\nCall-ID: noreason.asndj203insdf99223ndf\r\n\
         CSeq: 35 INVITE\r\nFrom: <sip:user@example.com>;tag=39ansfi3\r\nTo: <sip:user@example.edu>;tag=902jndnke3\r\n\
         Content-Length: 0\r\nContact: <sip:user@host105.example.com>\r\n\r\n",
        "SIP/2.0 200 = 2**3 * 5**2 \u{43d}\u{43e} \u{441}\u{442}\u{43e}\r\nVia: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1324923\r\n\
         Call-ID: unreason.1234ksdfak3j2erwedfsASdf\r\nCSeq: 35 INVITE\r\nFrom: sip:user@example.com;tag=11141343\r\n\
         To: sip:user@example.edu;tag=2229\r\nRetry-After: 18000 (later);duration=3600\r\n\r\n",
        "SIP/2.0 4294967301 better not break the receiver\r\nVia: SIP/2.0/UDP 192.0.2.105;branch=z9hG4bK2398ndaoe\r\n\
         Call-ID: bigcode.asdof3uj203asdnf3429uasdhfas3ehjasdfas9i\r\nCSeq: 353494 INVITE\r\nFrom: <sip:user@example.com>;tag=39ansfi3\r\n\
         To: <sip:user@example.edu>;tag=902jndnke3\r\nContent-Length: 0\r\n\r\n",
    ])
}

pub fn header_values() -> Vec<Vec<u8>> {
    let mut values = refer_tos();
    for more in [addresses(), refer_subs(), privacies(), content_types()] {
        values.extend(more);
    }
    values.extend(all(&[
        "refer;id=93809824",
        "active;expires=60",
        "multiple-refer, norefersub",
        "18000;duration=3600",
        "<sip:p1;lr>, <sip:p2;lr>",
    ]));
    values
}

pub fn groups() -> Vec<Vec<u8>> {
    let root = "<group xmlns=\"urn:oma:xml:poc:list-service\" xmlns:rl=\"urn:ietf:params:xml:ns:resource-lists\" \
        xmlns:cp=\"urn:ietf:params:xml:ns:common-policy\" xmlns:ocp=\"urn:oma:xml:xdm:common-policy\" \
        xmlns:oxe=\"urn:oma:xml:xdm:extensions\"><list-service uri=\"sip:team@groups.home1.test\">";
    let end = "</list-service></group>";
    let rule = |id: &str, conditions: &str, actions: &str| {
        format!(
            "<cp:rule id=\"{id}\"><cp:conditions>{conditions}</cp:conditions><cp:actions>{actions}</cp:actions></cp:rule>"
        )
    };
    let join = "<join-handling>true</join-handling>";
    let rules = [
        rule("r1", "<is-list-member/>", join),
        rule("r2", "<cp:identity><cp:one id=\"sip:alice@home1.test\"/></cp:identity>",
             "<allow-anonymity>true</allow-anonymity><oxe:allow-expelling>true</oxe:allow-expelling>"),
        rule("r3", "<cp:identity><cp:many domain=\"home1.test\"><cp:except id=\"sip:mallory@home1.test\"/></cp:many></cp:identity>", join),
        rule("r4", "<cp:validity><cp:from>2003-12-24T17:00:00+01:00</cp:from><cp:until>2033-12-24T19:00:00+01:00</cp:until></cp:validity>", join),
        rule("r5", "<cp:sphere value=\"home\"/><ocp:other-identity/>", join),
    ]
    .concat();
    let list = "<display-name xml:lang=\"en\">Team</display-name><list><entry uri=\"sip:alice@home1.test\"/>\
        <entry uri=\"tel:+358401234567\"><rl:display-name>B &amp; C</rl:display-name></entry></list>\
        <invite-members>true</invite-members><max-participant-count>5</max-participant-count>";
    all(&[
        &format!("{root}{list}<cp:ruleset>{rules}</cp:ruleset>{end}"),
        &format!("{root}{end}"),
        &format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{root}{list}{end}"),
    ])
}
