//! A Vulkan device on which shaders are compiled and never run, opened without wgpu: wgpu takes the null
//! device of Mesa's AMD driver for a lost one.

use ash::{khr, vk};
use nf_gpu::kernels::desc::Access;
use std::{collections::BTreeSet, error::Error, ffi::CStr};

/// Any failure, as text for a developer.
pub type Outcome<T> = Result<T, Box<dyn Error>>;

/// The device that the loader finds first, with what kernels may ask for.
pub struct Device {
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    /// Name of device and driver.
    pub name: String,
    /// Whether cooperative matrices can be compiled.
    pub matrices: bool,
    // The library must outlive the device.
    _instance: ash::Instance,
    _entry: ash::Entry,
}

/// What the driver says of one compiled shader.
#[derive(Default)]
pub struct Compiled {
    /// Statistics by the driver's own names.
    pub statistics: Vec<(String, f64)>,
    /// Lanes of a subgroup.
    pub subgroup: u32,
    /// The machine code as text.
    pub assembly: String,
}

impl Device {
    /// Opens the first device with every feature that a kernel may use.
    pub fn open() -> Outcome<Self> {
        // SAFETY: the calls follow Vulkan's rules of use: every structure lives until the call that
        // reads it returns, and what is enabled was reported before.
        unsafe {
            let entry = ash::Entry::load()?;
            let app = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let info = vk::InstanceCreateInfo::default().application_info(&app);
            let instance = entry.create_instance(&info, None)?;
            let physical = *instance.enumerate_physical_devices()?.first().ok_or("no device")?;
            let mut driver = vk::PhysicalDeviceDriverProperties::default();
            let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut driver);
            instance.get_physical_device_properties2(physical, &mut properties);
            let name = properties.properties.device_name_as_c_str()?.to_string_lossy();
            let driver = driver.driver_info_as_c_str()?.to_string_lossy();
            let name = format!("{name}, {driver}");

            let extensions: BTreeSet<_> = instance
                .enumerate_device_extension_properties(physical)?
                .iter()
                .filter_map(|e| e.extension_name_as_c_str().ok().map(CStr::to_owned))
                .collect();
            let mut names = vec![khr::pipeline_executable_properties::NAME];
            let wanted = [c"VK_KHR_cooperative_matrix", c"VK_EXT_robustness2"];
            names.extend(wanted.iter().filter(|n| extensions.contains(**n)));
            if !extensions.contains(names[0]) {
                return Err(format!("{name} does not show its code").into());
            }
            let names: Vec<_> = names.iter().map(|n| n.as_ptr()).collect();

            let mut eleven = vk::PhysicalDeviceVulkan11Features::default();
            let mut twelve = vk::PhysicalDeviceVulkan12Features::default();
            let mut thirteen = vk::PhysicalDeviceVulkan13Features::default();
            let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default();
            let mut robust = vk::PhysicalDeviceRobustness2FeaturesEXT::default();
            let mut shown = vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default();
            let mut all = vk::PhysicalDeviceFeatures2::default()
                .push_next(&mut eleven)
                .push_next(&mut twelve)
                .push_next(&mut thirteen)
                .push_next(&mut shown);
            if extensions.contains(wanted[0]) {
                all = all.push_next(&mut matrices);
            }
            if extensions.contains(wanted[1]) {
                all = all.push_next(&mut robust);
            }
            instance.get_physical_device_features2(physical, &mut all);
            all.features.robust_buffer_access = vk::TRUE;

            let families = instance.get_physical_device_queue_family_properties(physical);
            let family = families
                .iter()
                .position(|f| f.queue_flags.contains(vk::QueueFlags::COMPUTE))
                .ok_or("no queue for compute shaders")? as u32;
            let queue = vk::DeviceQueueCreateInfo::default()
                .queue_family_index(family)
                .queue_priorities(&[1.0]);
            let queues = [queue];
            let info = vk::DeviceCreateInfo::default()
                .enabled_extension_names(&names)
                .queue_create_infos(&queues)
                .push_next(&mut all);
            let device = instance.create_device(physical, &info, None)?;
            let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
            let matrices = matrices.cooperative_matrix == vk::TRUE;
            Ok(Self { device, executables, name, matrices, _instance: instance, _entry: entry })
        }
    }

    /// Compiles a compute shader with these bindings; `wave` lanes to a subgroup, or as many as the driver
    /// likes (0), which is what wgpu asks for.
    pub fn compile(&self, words: &[u32], bindings: &[Access], wave: u32) -> Outcome<Compiled> {
        let bindings: Vec<_> = (0..)
            .zip(bindings)
            .map(|(i, access)| {
                let kind = match access {
                    Access::Uniform => vk::DescriptorType::UNIFORM_BUFFER,
                    Access::Read | Access::ReadWrite => vk::DescriptorType::STORAGE_BUFFER,
                };
                vk::DescriptorSetLayoutBinding::default()
                    .binding(i)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
                    .descriptor_type(kind)
            })
            .collect();
        let d = &self.device;
        // SAFETY: as in `open`; what is made here is destroyed below and used by nothing else.
        unsafe {
            let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [d.create_descriptor_set_layout(&info, None)?];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = d.create_pipeline_layout(&info, None)?;
            let info = vk::ShaderModuleCreateInfo::default().code(words);
            let module = d.create_shader_module(&info, None)?;
            let mut lanes = vk::PipelineShaderStageRequiredSubgroupSizeCreateInfo::default()
                .required_subgroup_size(wave);
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let stage = if wave == 0 {
                stage.flags(vk::PipelineShaderStageCreateFlags::ALLOW_VARYING_SUBGROUP_SIZE)
            } else {
                stage.push_next(&mut lanes)
            };
            let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let info =
                [vk::ComputePipelineCreateInfo::default().flags(flags).layout(layout).stage(stage)];
            let pipeline = d
                .create_compute_pipelines(vk::PipelineCache::null(), &info, None)
                .map_err(|(_, error)| error)?[0];
            let compiled = self.read(pipeline);
            d.destroy_pipeline(pipeline, None);
            d.destroy_shader_module(module, None);
            d.destroy_pipeline_layout(layout, None);
            d.destroy_descriptor_set_layout(sets[0], None);
            compiled
        }
    }

    /// # Safety
    /// The pipeline must be of this device, and a compute pipeline.
    unsafe fn read(&self, pipeline: vk::Pipeline) -> Outcome<Compiled> {
        use vk::PipelineExecutableStatisticFormatKHR as Format;
        let mut compiled = Compiled::default();
        // SAFETY: the caller's promise.
        unsafe {
            let info = vk::PipelineInfoKHR::default().pipeline(pipeline);
            let parts = self.executables.get_pipeline_executable_properties(&info)?;
            compiled.subgroup = parts.first().ok_or("nothing was compiled")?.subgroup_size;
            let which = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline);
            for s in self.executables.get_pipeline_executable_statistics(&which)? {
                let value = match s.format {
                    Format::BOOL32 => f64::from(s.value.b32),
                    Format::INT64 => s.value.i64 as f64,
                    Format::UINT64 => s.value.u64 as f64,
                    _ => s.value.f64,
                };
                let name = s.name_as_c_str()?.to_string_lossy().into_owned();
                compiled.statistics.push((name, value));
            }
            // The first call gives the sizes, the second the texts.
            let get = self.executables.fp().get_pipeline_executable_internal_representations_khr;
            let handle = self.device.handle();
            let mut n = 0;
            get(handle, &which, &mut n, std::ptr::null_mut()).result()?;
            let mut texts =
                vec![vk::PipelineExecutableInternalRepresentationKHR::default(); n as usize];
            get(handle, &which, &mut n, texts.as_mut_ptr()).result()?;
            let mut bytes: Vec<_> = texts.iter().map(|t| vec![0u8; t.data_size]).collect();
            for (text, bytes) in texts.iter_mut().zip(&mut bytes) {
                text.p_data = bytes.as_mut_ptr().cast();
            }
            get(handle, &which, &mut n, texts.as_mut_ptr()).result()?;
            for (text, bytes) in texts.iter().zip(&bytes) {
                if text.name_as_c_str()?.to_bytes() == b"Assembly" {
                    let text = String::from_utf8_lossy(bytes);
                    compiled.assembly = text.trim_end_matches('\0').to_owned();
                }
            }
        }
        Ok(compiled)
    }
}
