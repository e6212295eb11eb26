//! The agent's global allocator: every block is wiped when it is freed.
//!
//! Buffers of HTTP, TLS and JSON hold whole tokens, and no wiping type of ours reaches them. Growing in place is not used: the
//! old block is copied from, wiped and freed, so that no copy stays behind either.
#![expect(unsafe_code, reason = "GlobalAlloc is an unsafe trait, and wiping writes to raw memory")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::mem::MaybeUninit;
use std::ptr;

/// `#[global_allocator] static ALLOCATOR: WipingAllocator = WipingAllocator;`
#[derive(Clone, Copy, Debug, Default)]
pub struct WipingAllocator;

// SAFETY: every block comes from and goes back to `System` with its own layout; wiping touches only bytes of that block, before
// it is given back.
unsafe impl GlobalAlloc for WipingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is System's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the block is the caller's to give away, and `layout` is its layout.
        unsafe {
            wipe(block, layout.size());
            System.dealloc(block, layout);
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller promises that `size`, rounded up to the alignment, doesn't overflow; the blocks don't overlap.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                ptr::copy_nonoverlapping(block, new, layout.size().min(size));
                self.dealloc(block, layout);
            }
            new
        }
    }
}

/// Volatile, so that the compiler can't find out that nobody reads it again; by words, so that large blocks take no time.
///
/// # Safety
/// `size` bytes from `block` on can be written and are nobody else's.
unsafe fn wipe(block: *mut u8, size: usize) {
    // SAFETY: the caller's promise; MaybeUninit takes bytes that were never written, and any of its bytes may be part of a word.
    unsafe {
        let bytes = std::slice::from_raw_parts_mut(block.cast::<MaybeUninit<u8>>(), size);
        let (head, words, tail) = bytes.align_to_mut::<MaybeUninit<usize>>();
        for byte in head.iter_mut().chain(tail) {
            ptr::write_volatile(byte, MaybeUninit::new(0));
        }
        for word in words {
            ptr::write_volatile(word, MaybeUninit::new(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wiping_reaches_every_byte_whatever_the_alignment() {
        for (from, to) in [(0, 0), (0, 1), (1, 2), (3, 61), (0, 64), (7, 64), (8, 63)] {
            let mut bytes = [0xaau8; 64];
            // SAFETY: the range lies within the array.
            unsafe { wipe(bytes.as_mut_ptr().add(from), to - from) };
            for (at, byte) in bytes.iter().enumerate() {
                assert_eq!(*byte == 0, (from..to).contains(&at), "{from}..{to} at {at}");
            }
        }
    }

    #[test]
    fn reallocating_keeps_what_fits() {
        for (old, new) in [(16usize, 4096usize), (4096, 16), (1 << 20, 3 << 20)] {
            let layout = Layout::from_size_align(old, 8).expect("a layout");
            // SAFETY: the blocks are used within their sizes and freed with their layouts.
            unsafe {
                let block = WipingAllocator.alloc(layout);
                ptr::write_bytes(block, 7, old);
                let block = WipingAllocator.realloc(block, layout, new);
                let kept = std::slice::from_raw_parts(block, old.min(new));
                assert!(kept.iter().all(|byte| *byte == 7));
                WipingAllocator.dealloc(block, Layout::from_size_align(new, 8).expect("a layout"));
            }
        }
    }
}
