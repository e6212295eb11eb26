//! Every preset at a server on this machine that behaves as its provider documents, quirks included, and checks what it is
//! sent. One file per provider.

mod inheritance;
