//! Smoke module: exercises the wrapper inside a running Kamailio.
//! Not here: the product.
mod smoke;
