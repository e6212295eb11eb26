//! What calls leave behind on their thread: the dead part of its stack, and its vector registers.
//!
//! A token that was copied, hashed or sealed lies there until something else is written over it, and a thread that waits
//! writes nothing. So a thread clears both before it waits; whoever makes one that handles secrets sees to it.
#![expect(unsafe_code, reason = "only assembly clears registers")]

use std::hint::black_box;

/// As deep as calls that handle secrets go, with room. The deepest is a TLS handshake: 210 KiB without optimization, which
/// takes several times what it takes with.
const DEPTH: usize = if cfg!(debug_assertions) { 320 * 1024 } else { 128 * 1024 };

/// Clears what the calls that have returned left behind.
///
/// Registers that a call has to give back as it found them (on Windows the low halves of 6 to 15, on aarch64 those of 8 to
/// 15) hold nothing of calls that returned: each has put back what its caller, which still runs, had there. Of those only
/// the upper halves are cleared; the compiler sees to it that the lower ones survive.
#[inline(never)]
pub fn clear() {
    clear_stack();
    clear_registers();
}

/// The calls that have returned used the same bytes as this array.
#[inline(never)]
fn clear_stack() {
    let mut stack = [0_u8; DEPTH];
    black_box(&mut stack);
}

#[cfg(target_arch = "x86_64")]
fn clear_registers() {
    use std::arch::asm;
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has the registers, each is named as overwritten, and nothing else changes.
        unsafe {
            asm!(
                "vpxord zmm16, zmm16, zmm16", "vpxord zmm17, zmm17, zmm17", "vpxord zmm18, zmm18, zmm18",
                "vpxord zmm19, zmm19, zmm19", "vpxord zmm20, zmm20, zmm20", "vpxord zmm21, zmm21, zmm21",
                "vpxord zmm22, zmm22, zmm22", "vpxord zmm23, zmm23, zmm23", "vpxord zmm24, zmm24, zmm24",
                "vpxord zmm25, zmm25, zmm25", "vpxord zmm26, zmm26, zmm26", "vpxord zmm27, zmm27, zmm27",
                "vpxord zmm28, zmm28, zmm28", "vpxord zmm29, zmm29, zmm29", "vpxord zmm30, zmm30, zmm30",
                "vpxord zmm31, zmm31, zmm31",
                out("zmm16") _, out("zmm17") _, out("zmm18") _, out("zmm19") _, out("zmm20") _, out("zmm21") _,
                out("zmm22") _, out("zmm23") _, out("zmm24") _, out("zmm25") _, out("zmm26") _, out("zmm27") _,
                out("zmm28") _, out("zmm29") _, out("zmm30") _, out("zmm31") _,
                options(nomem, nostack, preserves_flags),
            );
        }
    }
    macro_rules! clear_low {
        ($($instruction:literal),+) => {
            // SAFETY: as above.
            unsafe {
                asm!(
                    $($instruction,)+
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                    out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                    out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                    options(nomem, nostack, preserves_flags),
                );
            }
        };
    }
    if is_x86_feature_detected!("avx") {
        clear_low!("vzeroall");
    } else {
        clear_low!(
            "xorps xmm0, xmm0",
            "xorps xmm1, xmm1",
            "xorps xmm2, xmm2",
            "xorps xmm3, xmm3",
            "xorps xmm4, xmm4",
            "xorps xmm5, xmm5",
            "xorps xmm6, xmm6",
            "xorps xmm7, xmm7",
            "xorps xmm8, xmm8",
            "xorps xmm9, xmm9",
            "xorps xmm10, xmm10",
            "xorps xmm11, xmm11",
            "xorps xmm12, xmm12",
            "xorps xmm13, xmm13",
            "xorps xmm14, xmm14",
            "xorps xmm15, xmm15"
        );
    }
}

#[cfg(target_arch = "aarch64")]
fn clear_registers() {
    // SAFETY: every vector register is named as overwritten, and nothing else changes.
    unsafe {
        std::arch::asm!(
            "movi v0.2d, #0", "movi v1.2d, #0", "movi v2.2d, #0", "movi v3.2d, #0", "movi v4.2d, #0", "movi v5.2d, #0",
            "movi v6.2d, #0", "movi v7.2d, #0", "movi v8.2d, #0", "movi v9.2d, #0", "movi v10.2d, #0",
            "movi v11.2d, #0", "movi v12.2d, #0", "movi v13.2d, #0", "movi v14.2d, #0", "movi v15.2d, #0",
            "movi v16.2d, #0", "movi v17.2d, #0", "movi v18.2d, #0", "movi v19.2d, #0", "movi v20.2d, #0",
            "movi v21.2d, #0", "movi v22.2d, #0", "movi v23.2d, #0", "movi v24.2d, #0", "movi v25.2d, #0",
            "movi v26.2d, #0", "movi v27.2d, #0", "movi v28.2d, #0", "movi v29.2d, #0", "movi v30.2d, #0",
            "movi v31.2d, #0",
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _, out("v7") _,
            out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _, out("v14") _,
            out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _, out("v20") _, out("v21") _,
            out("v22") _, out("v23") _, out("v24") _, out("v25") _, out("v26") _, out("v27") _, out("v28") _,
            out("v29") _, out("v30") _, out("v31") _,
            options(nomem, nostack, preserves_flags),
        );
    }
}

/// Other processors' registers are cleared by whatever comes next.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn clear_registers() {}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: [u8; 64] = *b"what a call leaves on its stack, and nobody writes over any more";

    /// Leaves it at depths from the caller's frame on; where the deepest one lies.
    #[inline(never)]
    fn leave(calls: usize) -> usize {
        let mut frame = [LEFT; 16];
        black_box(&mut frame);
        let deeper = if calls == 0 { frame.as_ptr().expose_provenance() } else { leave(calls - 1) };
        black_box(&mut frame);
        deeper
    }

    /// How often it is there between an address and the caller's frame.
    #[inline(never)]
    fn left_since(lowest: usize) -> usize {
        let here = 0_u8;
        let lowest = std::ptr::with_exposed_provenance::<u8>(lowest);
        let length = (&raw const here).addr() - lowest.addr();
        // SAFETY: this thread's own stack, which was written to down to there and is mapped; a copy is looked at.
        let dead: Vec<u8> = (0..length).map(|at| unsafe { lowest.add(at).read_volatile() }).collect();
        dead.windows(LEFT.len()).filter(|window| **window == LEFT).count()
    }

    #[test]
    fn nothing_of_calls_that_returned_is_on_the_stack() {
        let lowest = leave(100);
        assert!(left_since(lowest) > 1000, "there is something to clear");
        clear();
        assert_eq!(left_since(lowest), 0);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn nothing_is_in_the_vector_registers() {
        use std::arch::asm;
        macro_rules! left_in {
            ($first:tt, $last:tt) => {{
                let mut found = [0xff_u8; 32];
                // SAFETY: the registers are named; the last two lines copy two of them.
                unsafe {
                    asm!(
                        concat!("pcmpeqd ", $first, ", ", $first), concat!("pcmpeqd ", $last, ", ", $last),
                        out($first) _, out($last) _,
                    );
                    clear_registers();
                    asm!(
                        concat!("movups [{0}], ", $first), concat!("movups [{0} + 16], ", $last),
                        in(reg) found.as_mut_ptr(),
                    );
                }
                found
            }};
        }
        // The last one that a call need not give back there.
        #[cfg(windows)]
        let found = left_in!("xmm0", "xmm5");
        #[cfg(not(windows))]
        let found = left_in!("xmm0", "xmm15");
        assert_eq!(found, [0; 32]);
    }
}
