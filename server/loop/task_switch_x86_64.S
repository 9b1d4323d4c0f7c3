/* SPDX-License-Identifier: MIT */

/*
 * System V x86-64. Saved on the stack that is left, from low to high:
 *
 *   0 mxcsr   4 x87 control word   8 r15   16 r14   24 r13   32 r12
 *  40 rbx    48 rbp               56 return address
 *
 * It leaves by a jump, not by `ret`: the processor predicts a return by the
 * last call, which was made on the other stack, and would be wrong each time
 * (a third of the cost of a task that does not wait).
 *
 * Shadow stacks: a switch goes on at an address that another call pushed, so
 * this file does not claim to be compatible with them, and the loader then
 * leaves them off for the process. Indirect branch tracking is kept: the jump
 * goes to the place behind a call, which has no landing pad, hence `notrack`.
 */

#define FRAME_BYTES 64

        .text

        .globl  gn_task_switch
        .hidden gn_task_switch
        .type   gn_task_switch, @function
        .p2align 4
gn_task_switch:                         /* rdi: void **save_out, rsi: void *to */
        .cfi_startproc
        endbr64
        pushq   %rbp
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbp, 0
        pushq   %rbx
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %rbx, 0
        pushq   %r12
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r12, 0
        pushq   %r13
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r13, 0
        pushq   %r14
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r14, 0
        pushq   %r15
        .cfi_adjust_cfa_offset 8
        .cfi_rel_offset %r15, 0
        subq    $8, %rsp
        .cfi_adjust_cfa_offset 8
        stmxcsr 0(%rsp)
        fnstcw  4(%rsp)

        movq    %rsp, (%rdi)
        movq    %rsi, %rsp

        ldmxcsr 0(%rsp)
        fldcw   4(%rsp)
        addq    $8, %rsp
        .cfi_adjust_cfa_offset -8
        popq    %r15
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r15
        popq    %r14
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r14
        popq    %r13
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r13
        popq    %r12
        .cfi_adjust_cfa_offset -8
        .cfi_restore %r12
        popq    %rbx
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbx
        popq    %rbp
        .cfi_adjust_cfa_offset -8
        .cfi_restore %rbp
        popq    %rcx
        .cfi_adjust_cfa_offset -8
        .cfi_register %rip, %rcx
        notrack jmp *%rcx
        .cfi_endproc
        .size   gn_task_switch, . - gn_task_switch

        .globl  gn_task_switch_prepare
        .hidden gn_task_switch_prepare
        .type   gn_task_switch_prepare, @function
        .p2align 4
gn_task_switch_prepare:                 /* rdi: low, rsi: bytes, rdx: fn, rcx: arg */
        .cfi_startproc
        endbr64
        leaq    (%rdi,%rsi), %rax
        andq    $-16, %rax
        subq    $(FRAME_BYTES + 16), %rax /* 16: aligned at the first call, and a null caller above */
        stmxcsr 0(%rax)
        fnstcw  4(%rax)
        leaq    first_entry(%rip), %r8
        xorl    %r9d, %r9d
        movq    %r9, 8(%rax)
        movq    %r9, 16(%rax)
        movq    %rcx, 24(%rax)          /* r13: arg */
        movq    %rdx, 32(%rax)          /* r12: fn */
        movq    %r9, 40(%rax)
        movq    %r9, 48(%rax)           /* rbp: the end of the frame chain */
        movq    %r8, 56(%rax)
        movq    %r9, 64(%rax)
        movq    %r9, 72(%rax)
        ret
        .cfi_endproc
        .size   gn_task_switch_prepare, . - gn_task_switch_prepare

        .type   first_entry, @function
        .p2align 4
first_entry:
        .cfi_startproc
        .cfi_undefined %rip             /* nobody called this: a debugger stops here */
        endbr64
        movq    %r13, %rdi
        callq   *%r12
        ud2
        .cfi_endproc
        .size   first_entry, . - first_entry

#if defined(__CET__) && (__CET__ & 1)
        .section .note.gnu.property, "a", @note
        .p2align 3
        .long   4                       /* name size */
        .long   16                      /* descriptor size */
        .long   5                       /* NT_GNU_PROPERTY_TYPE_0 */
        .asciz  "GNU"
        .long   0xc0000002              /* GNU_PROPERTY_X86_FEATURE_1_AND */
        .long   4
        .long   1                       /* indirect branch tracking */
        .long   0
#endif

        .section .note.GNU-stack, "", @progbits
