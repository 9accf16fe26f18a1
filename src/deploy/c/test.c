/*
 * Compares the generator with the golden output: exit status 0 and one line where it is within the tolerance, else 1.
 */
#include "nf_generator.h"
#include "nf_golden.h"

#include <math.h>
#include <stdio.h>

static float nf_scratch[NF_GENERATOR_SCRATCH_FLOATS];
static float nf_output[NF_GENERATOR_FLOATS];

int main(void)
{
    double largest = 0.0;
    int i;
    const int status = nf_generator(nf_golden_input, nf_output, nf_scratch, NF_GENERATOR_SCRATCH_FLOATS);
    if (status != NF_GENERATOR_OK) {
        printf("nf_generator returned %d\n", status);
        return 1;
    }
    for (i = 0; i < NF_GENERATOR_FLOATS; i++) {
        const double difference = fabs((double)nf_output[i] - (double)nf_golden_output[i]);
        /* A difference that is not a number is the largest. */
        if (!(difference <= largest) && largest == largest) {
            largest = difference;
        }
    }
    printf("largest difference %.3e, tolerance %.3e\n", largest, (double)NF_GENERATOR_TOLERANCE);
    return largest <= (double)NF_GENERATOR_TOLERANCE ? 0 : 1;
}
