/*
 * Cuts the power of an ext4 file system: `cut FOLDER FLAG`. What is not on disk is lost, and every call on it
 * fails from then on. The proof of power losses compiles it. The numbers are those of Linux (fs/ext4/ext4.h).
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define EXT4_IOC_SHUTDOWN _IOR('X', 125, uint32_t)

int main(int count, char **args)
{
    if (count != 3)
        return 2;
    uint32_t flag = (uint32_t)atoi(args[2]);
    int fd = open(args[1], O_RDONLY | O_DIRECTORY);
    if (fd < 0 || ioctl(fd, EXT4_IOC_SHUTDOWN, &flag) != 0) {
        perror(args[1]);
        return 1;
    }
    return 0;
}
