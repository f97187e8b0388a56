/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Settings of devices: see sysctl.h. */
#include "sysctl.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "own.h"

static FILE *open_setting(const char *dev, const char *name, const char *mode)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv4/conf/%s/%s", dev, name);
	return fopen(path, mode);
}

static int read_one(const char *dev, const char *name)
{
	CV_FCLOSE FILE *file = open_setting(dev, name, "re");
	int value = 0;

	return file && fscanf(file, "%d", &value) == 1 ? value : 0;
}

int cv_sysctl_get(const char *dev, const char *name)
{
	int all = read_one("all", name), own = read_one(dev, name);

	return all > own ? all : own;
}

int cv_sysctl_set(const char *dev, const char *name, int value, struct cv_err *err)
{
	CV_FCLOSE FILE *file = open_setting(dev, name, "we");

	if (!file || fprintf(file, "%d\n", value) < 0 || fflush(file))
		return cv_err_set(err, -errno, "dev %s: net.ipv4.conf.%s.%s: %s", dev, dev, name,
				  strerrordesc_np(errno));
	return 0;
}
