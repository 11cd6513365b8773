/* Compiles a kernel for float and for double: a header defines KERNEL as its own name and includes this one, which
 * includes it back twice. In between it can say
 *
 *     real        float, double
 *     OF(name)    name_f32, name_f64
 *     MATH(name)  namef, name        as C and fastmath.h name their functions
 */
#define real float
#define OF(name) name##_f32
#define MATH(name) name##f
#include KERNEL
#undef real
#undef OF
#undef MATH

#define real double
#define OF(name) name##_f64
#define MATH(name) name
#include KERNEL
#undef real
#undef OF
#undef MATH

#undef KERNEL
