/* SPDX-License-Identifier: MIT */

/*
 * AAPCS64. Saved on the stack that is left, from low to high:
 *
 *   0 x19 … x28   80 x29 (frame), x30 (return address)   96 d8 … d15   160 fpcr
 *
 * Return addresses signed by callers (PAC) are signed with their own stack
 * pointer and verified by them, so they survive; ours is written and read by
 * this file alone. Branch target identification: entry points carry a landing
 * pad, and the switch leaves by `ret`, which needs none.
 */

#define FRAME_BYTES 176
#define BTI_C hint #34

        .text

        .globl  gn_task_switch
        .hidden gn_task_switch
        .type   gn_task_switch, %function
        .p2align 4
gn_task_switch:                         /* x0: void **save_out, x1: void *to */
        .cfi_startproc
        BTI_C
        sub     sp, sp, #FRAME_BYTES
        .cfi_adjust_cfa_offset FRAME_BYTES
        stp     x19, x20, [sp, #0]
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        .cfi_rel_offset x19, 0
        .cfi_rel_offset x20, 8
        .cfi_rel_offset x21, 16
        .cfi_rel_offset x22, 24
        .cfi_rel_offset x23, 32
        .cfi_rel_offset x24, 40
        .cfi_rel_offset x25, 48
        .cfi_rel_offset x26, 56
        .cfi_rel_offset x27, 64
        .cfi_rel_offset x28, 72
        .cfi_rel_offset x29, 80
        .cfi_rel_offset x30, 88
        stp     d8, d9, [sp, #96]
        stp     d10, d11, [sp, #112]
        stp     d12, d13, [sp, #128]
        stp     d14, d15, [sp, #144]
        mrs     x9, fpcr
        str     x9, [sp, #160]

        mov     x10, sp
        str     x10, [x0]
        mov     sp, x1

        ldr     x10, [sp, #160]
        cmp     x9, x10
        b.eq    1f
        msr     fpcr, x10
1:
        ldp     x19, x20, [sp, #0]
        ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     d8, d9, [sp, #96]
        ldp     d10, d11, [sp, #112]
        ldp     d12, d13, [sp, #128]
        ldp     d14, d15, [sp, #144]
        add     sp, sp, #FRAME_BYTES
        .cfi_def_cfa_offset 0
        ret
        .cfi_endproc
        .size   gn_task_switch, . - gn_task_switch

        .globl  gn_task_switch_prepare
        .hidden gn_task_switch_prepare
        .type   gn_task_switch_prepare, %function
        .p2align 4
gn_task_switch_prepare:                 /* x0: low, x1: bytes, x2: fn, x3: arg */
        .cfi_startproc
        BTI_C
        add     x0, x0, x1
        and     x0, x0, #-16
        sub     x0, x0, #(FRAME_BYTES + 16)
        adr     x9, first_entry
        mrs     x10, fpcr
        stp     x2, x3, [x0, #0]        /* x19: fn, x20: arg */
        stp     xzr, xzr, [x0, #16]
        stp     xzr, xzr, [x0, #32]
        stp     xzr, xzr, [x0, #48]
        stp     xzr, xzr, [x0, #64]
        stp     xzr, x9, [x0, #80]      /* x29: the end of the frame chain */
        stp     xzr, xzr, [x0, #96]
        stp     xzr, xzr, [x0, #112]
        stp     xzr, xzr, [x0, #128]
        stp     xzr, xzr, [x0, #144]
        stp     x10, xzr, [x0, #160]
        stp     xzr, xzr, [x0, #FRAME_BYTES]
        ret
        .cfi_endproc
        .size   gn_task_switch_prepare, . - gn_task_switch_prepare

        .type   first_entry, %function
        .p2align 4
first_entry:
        .cfi_startproc
        .cfi_undefined x30              /* nobody called this: a debugger stops here */
        mov     x0, x20
        blr     x19
        brk     #0
        .cfi_endproc
        .size   first_entry, . - first_entry

#if defined(__ARM_FEATURE_BTI_DEFAULT)
        .section .note.gnu.property, "a", %note
        .p2align 3
        .long   4                       /* name size */
        .long   16                      /* descriptor size */
        .long   5                       /* NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000000              /* GNU_PROPERTY_AARCH64_FEATURE_1_AND */
        .long   4
        .long   1                       /* branch target identification */
        .long   0
#endif

        .section .note.GNU-stack, "", %progbits
