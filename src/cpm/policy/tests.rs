//! Tests of the group policy as a whole: documents in, verdicts out.
//! Not here: the tests of single helpers, which sit beside them.

mod attacks;
mod conditions;
mod documents;
mod sample;
mod support;
