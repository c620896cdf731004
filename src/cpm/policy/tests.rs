//! Tests of the group policy as a whole: documents in, verdicts out.

mod attacks;
mod conditions;
mod documents;
mod sample;
mod support;
