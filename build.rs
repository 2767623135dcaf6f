//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The table of relocations is read whole at every start. Packed, it is a few kilobytes and not more than one
    // megabyte, which would stay in memory. Needs glibc 2.36, which Debian has had since 12.
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux");
    let gnu = std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu");
    if linux && gnu {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
