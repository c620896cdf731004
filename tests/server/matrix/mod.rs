//! The black-box matrix of requirements.md section 7: every row, over UDP and over TCP.

mod forms;
mod lists;
mod policy;
mod results;
mod stage;
mod who;

use crate::kit::Transport;
use forms::*;
use lists::*;
use policy::*;
use results::*;
use who::*;

/// One test per row and transport, and the table of the rows that are here.
macro_rules! rows {
    ($($number:literal $row:ident $stimulus:literal;)*) => {
        const DECIDED: &[(u8, &str)] = &[$(($number, $stimulus)),*];
        $(mod $row {
            #[test]
            fn udp() {
                super::$row(super::Transport::Udp);
            }
            #[test]
            fn tcp() {
                super::$row(super::Transport::Tcp);
            }
        })*
    };
}

rows! {
    1 row_01 "in-dialog, method=INVITE, no Refer-Sub";
    2 row_02 "the same out of dialog, to the focus";
    3 row_03 "Refer-Sub: false";
    4 row_04 "Refer-Sub: true";
    5 row_05 "Refer-Sub: FALSE;x=y";
    6 row_06 "no Refer-To";
    7 row_07 "two Refer-To lines";
    8 row_08 "two values in one Refer-To line";
    9 row_09 "Refer-To without a method parameter";
    10 row_10 "compact form";
    11 row_11 "bare addr-spec";
    12 row_12 "tel URI";
    13 row_13 "another method";
    14 row_14 "another scheme";
    15 row_15 "REFER with method=BYE by one who may expel";
    16 row_16 "REFER with method=BYE by one who may not";
    17 row_17 "unknown focus";
    18 row_18 "unknown To-tag";
    19 row_19 "not a participant and not allowed";
    20 row_20 "no P-Asserted-Identity; untrusted source";
    21 row_21 "spoofed From";
    22 row_22 "Target-Dialog, valid or bogus";
    23 row_23 "Require: foo";
    24 row_24 "Require: norefersub, foo";
    25 row_25 "Require: norefersub without Refer-Sub";
    26 row_26 "Require: nosub";
    27 row_27 "Require: explicitsub";
    28 row_28 "a list of three, Refer-Sub: false, Require in two lines";
    29 row_29 "the same as multipart";
    30 row_30 "a list, Refer-Sub absent";
    31 row_31 "cid without its part";
    32 row_32 "a list of the wrong type";
    33 row_33 "malformed XML, entities, depth";
    34 row_34 "an empty list";
    35 row_35 "the same person several times";
    36 row_36 "copyControl and anonymize";
    37 row_37 "a list without Require: multiple-refer";
    38 row_38 "the target is in already";
    39 row_39 "the target is oneself";
    40 row_40 "the target is ringing already";
    41 row_41 "no place left";
    42 row_42 "two targets, one place";
    43 row_43 "Privacy: id, not allowed";
    44 row_44 "Privacy: id, allowed";
    45 row_45 "Privacy: none or header";
    46 row_46 "G: alice invites bob";
    47 row_47 "G: bob invites carol";
    48 row_48 "G: alice invites mallory";
    49 row_49 "G: the policy cannot be read";
    50 row_50 "second REFER in a dialog";
    51 row_51 "retransmitted REFER";
    52 row_52 "the target rings and accepts, as others see it";
    53 row_53 "the target fails";
    54 row_54 "the target redirects";
    55 row_55 "the target wants a longer session";
    56 row_56 "forked 2xx";
    57 row_57 "NOTIFY answered 481";
    58 row_58 "SUBSCRIBE with Expires: 0 in a refer subscription";
    59 row_59 "a fresh SUBSCRIBE for refer";
    60 row_60 "Referred-By absent, own, another's";
    61 row_61 "two Referred-By";
    62 row_62 "headers inside Refer-To";
    63 row_63 "no Contact though there is something to notify";
    64 row_64 "the session ends while the target rings";
    65 row_65 "CSeq lower than before";
    66 row_66 "re-INVITE that requires recipient-list-invite";
    67 row_67 "an unknown Content-Encoding of a list";
    68 row_68 "byte-order mark, prefixes, namespace spelling";
}

#[test]
fn every_row_is_here() {
    let numbers: Vec<u8> = DECIDED.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=68).collect::<Vec<u8>>());
}
